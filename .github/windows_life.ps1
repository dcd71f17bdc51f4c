#Requires -Version 5.1
#Requires -RunAsAdministrator

<#
.SYNOPSIS
One installation's whole life on a real Windows: install.ps1, the service, a stale neighbor entry.

.DESCRIPTION
For a machine that may be thrown away. Runs install.ps1 by the PowerShell that runs this, compares
every exit code, and ends with the first that is another. It has not run yet.

.PARAMETER Folder
The unpacked archive for Windows.
#>
[CmdletBinding()]
param([Parameter(Mandatory = $true)] [string] $Folder)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$Folder = (Resolve-Path -LiteralPath $Folder).ProviderPath
$Engine = (Get-Process -Id $PID).Path
$Key = "$env:ProgramData\ArpFlush\key"
$Sender = "$env:ProgramFiles\ArpFlush\arpflush.exe"
Write-Output "$([Environment]::OSVersion.VersionString), PowerShell $($PSVersionTable.PSVersion)"

function Assert-That([bool] $condition, [string] $what) {
    if (-not $condition) { throw "Not so: $what" }
    Write-Output "So: $what"
}

function Invoke-Installer([int] $expected, [string[]] $arguments) {
    Write-Output "> install.ps1 $arguments"
    & $Engine -NoProfile -ExecutionPolicy Bypass -File "$Folder\install.ps1" @arguments
    Assert-That ($LASTEXITCODE -eq $expected) "exit code $LASTEXITCODE is $expected"
}

function Test-Service {
    & "$env:SystemRoot\System32\sc.exe" query ArpFlush | Out-Null
    $LASTEXITCODE -eq 0
}

function Test-Answer {
    & $Sender -k $Key --no-verify --expect 1 --count 1 127.0.0.1 | Out-Host
    $LASTEXITCODE -eq 0
}

# ---- Installation ---------------------------------------------------------------------------------

Invoke-Installer 4 @('status')
Invoke-Installer 0 @('install', '-WhatIf')
Assert-That (-not (Test-Service)) 'install -WhatIf registers nothing'
Invoke-Installer 0 @('install')
Invoke-Installer 0 @('status')
Invoke-Installer 0 @('install')
Invoke-Installer 0 @('install', '-Port', '30000', '-AllowedSources', '192.0.2.0/24')
Invoke-Installer 0 @('status', '-Json')
$rule = Get-NetFirewallPortFilter -Protocol UDP | Where-Object { $_.LocalPort -eq '30000' }
Assert-That ($null -ne $rule) 'the firewall rule follows the port'
Invoke-Installer 0 @('install', '-Port', '27735', '-AllowedSources', 'on-link')
Invoke-Installer 0 @('upgrade')

# ---- Service --------------------------------------------------------------------------------------

Stop-Service -Name ArpFlush
Assert-That ((Get-Service -Name ArpFlush).Status -eq 'Stopped') 'the service stops'
Invoke-Installer 3 @('status')
Start-Service -Name ArpFlush
Assert-That ((Get-Service -Name ArpFlush).Status -eq 'Running') 'the service starts'
Restart-Service -Name ArpFlush
Invoke-Installer 0 @('status')
$events = Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'ArpFlush' }
Assert-That (@($events | Where-Object { $_.Id -eq 1 }).Count -ge 3) 'each start is in the event log'

# ---- A version that doesn't start is rolled back --------------------------------------------------

$letter = [char] 0xe9
$broken = Join-Path ([IO.Path]::GetTempPath()) "arpflush broken $letter & [1]"
[void] [IO.Directory]::CreateDirectory($broken)
foreach ($name in 'arpflush.exe', 'install.ps1') {
    [IO.File]::Copy("$Folder\$name", "$broken\$name", $true)
}
[IO.File]::Copy("$env:SystemRoot\System32\where.exe", "$broken\arpflush-service.exe", $true)
$lines = foreach ($name in 'arpflush-service.exe', 'arpflush.exe', 'install.ps1') {
    $sum = (Get-FileHash -LiteralPath "$broken\$name" -Algorithm SHA256).Hash.ToLowerInvariant()
    "$sum  $name"
}
[IO.File]::WriteAllLines("$broken\SHA256SUMS", [string[]] $lines)
Invoke-Installer 1 @('upgrade', $broken)
Invoke-Installer 0 @('status')

# ---- A stale entry is healed ----------------------------------------------------------------------

# The default gateway's: what is wrong about it is mended by the flush, or by Windows a while later.
$route = Get-NetRoute -DestinationPrefix '0.0.0.0/0' | Sort-Object -Property RouteMetric |
    Select-Object -First 1
$entry = @{ InterfaceIndex = $route.InterfaceIndex; IPAddress = $route.NextHop }
$good = (Get-NetNeighbor @entry).LinkLayerAddress
$wrong = '02-00-00-00-00-99'
Assert-That ($good -match '^..(-..){5}$' -and $good -ne $wrong) 'the gateway has an entry'
Set-NetNeighbor @entry -LinkLayerAddress $wrong -State Reachable -Confirm:$false
Assert-That ((Get-NetNeighbor @entry).LinkLayerAddress -eq $wrong) 'its entry is wrong now'
Assert-That (Test-Answer) 'the host confirms the flush'
$found = $null
foreach ($attempt in 1..20) {
    Test-Connection -ComputerName $route.NextHop -Count 1 -Quiet | Out-Null
    $found = Get-NetNeighbor @entry -ErrorAction SilentlyContinue |
        ForEach-Object { $_.LinkLayerAddress }
    if ($found -eq $good) { break }
    Start-Sleep -Milliseconds 100
}
Assert-That ($found -eq $good) "the gateway is $found again, not $wrong"

# ---- The end --------------------------------------------------------------------------------------

Invoke-Installer 0 @('uninstall')
Assert-That (-not (Test-Service)) 'the service is gone'
Assert-That (Test-Path -LiteralPath $Key) 'the key is still there'
Invoke-Installer 4 @('status')
Invoke-Installer 0 @('install')
Assert-That (Test-Answer) 'the service answers by the key that was kept'
Invoke-Installer 0 @('uninstall', '-Purge')
Assert-That (-not (Test-Path -LiteralPath $Key)) 'the key is gone'
Invoke-Installer 4 @('status')
exit 0
