#Requires -Version 5.1
#Requires -RunAsAdministrator

<#
.SYNOPSIS
One installation's whole life on a real Windows: Defender, install.ps1, the service, a stale neighbor entry.

.DESCRIPTION
For a machine that may be thrown away. Runs install.ps1 by the PowerShell that runs this, compares
every exit code, and ends with the first that is another. It has not run on a real Windows yet. Under Wine,
beside the tests' doubles, it went to its end, without what Wine has not: Defender, a junction, access rights
of the host's key, events, a killed service's restart, csc.exe (a broken program was laid there), and neighbor
entries.

.PARAMETER Folder
The unpacked archive for Windows.
#>
[Diagnostics.CodeAnalysis.SuppressMessage('PSAvoidUsingWriteHost', '', Justification =
    'What is so is for who watches; the output of a function is its result.')]
[CmdletBinding()]
param([Parameter(Mandatory = $true)] [string] $Folder)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$Folder = (Resolve-Path -LiteralPath $Folder).ProviderPath
$Engine = (Get-Process -Id $PID).Path
$Settings = 'HKLM:\SOFTWARE\NPSL\ArpFlush'
$Metrics = "$env:ProgramFiles\ArpFlush\metrics\arpflush.prom"
# A router's key, which on a real host is never: this machine plays both parts.
$Key = Join-Path ([IO.Path]::GetTempPath()) 'arpflush_router_key'
$SenderExe = "$env:ProgramFiles\ArpFlush\arpflush.exe"
Write-Host "$([Environment]::OSVersion.VersionString), PowerShell $($PSVersionTable.PSVersion)"

function Assert-That([bool] $condition, [string] $what) {
    if (-not $condition) { throw "Not so: $what" }
    Write-Host "So: $what"
}

# Runs install.ps1 as an administrator would; its lines are then in $Lines.
function Invoke-Installer([int] $expected, [string[]] $arguments) {
    Write-Host "> install.ps1 $arguments"
    $lines = & $Engine -NoProfile -ExecutionPolicy Bypass -File "$Folder\install.ps1" @arguments
    $exitCode = $LASTEXITCODE
    $lines | Out-Host
    Assert-That ($exitCode -eq $expected) "exit code $exitCode is $expected"
    $script:Lines = @($lines)
}

function Test-Service {
    & "$env:SystemRoot\System32\sc.exe" query ArpFlush | Out-Null
    $LASTEXITCODE -eq 0
}

# The router's key file, and its public key.
& "$Folder\arpflush.exe" --keygen | Set-Content -LiteralPath $Key -Encoding Ascii
& "$env:SystemRoot\System32\icacls.exe" $Key /inheritance:r /grant:r '*S-1-5-18:F' '*S-1-5-32-544:F' /setowner '*S-1-5-32-544' | Out-Null
$PublicKey = "$(& "$Folder\arpflush.exe" --public-key -k $Key)".Trim()
$keys = @('-RouterKeys', $PublicKey)

function Test-Answer {
    & $SenderExe -k $Key --no-verify --expect 1 --count 1 127.0.0.1 | Out-Host
    $LASTEXITCODE -eq 0
}

# Accounts that have any right in an access control list.
function Get-Sids($acl) {
    $acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier]) |
        ForEach-Object { $_.IdentityReference.Value } | Sort-Object -Unique
}

# ---- Installation ----

$defender = "$env:ProgramFiles\Windows Defender\MpCmdRun.exe"
& $defender -SignatureUpdate | Out-Host
& $defender -Scan -ScanType 3 -File $Folder -DisableRemediation | Out-Host
Assert-That ($LASTEXITCODE -eq 0) 'Defender has nothing against the files'
Invoke-Installer 4 @('status')
Invoke-Installer 2 @('install', '-RouterKeys', "arpflush-secret-$('S' * 43)")
# A link in the programs' place: what it leads to could be somebody else's.
$elsewhere = Join-Path ([IO.Path]::GetTempPath()) 'arpflush_elsewhere'
[void] [IO.Directory]::CreateDirectory($elsewhere)
[void] (New-Item -ItemType Junction -Path "$env:ProgramFiles\ArpFlush" -Target $elsewhere)
Invoke-Installer 1 (@('install') + $keys)
Invoke-Installer 1 @('uninstall')
Assert-That (-not (Get-ChildItem -LiteralPath $elsewhere)) 'nothing is written where a link leads'
foreach ($path in "$env:ProgramFiles\ArpFlush", $elsewhere) { [IO.Directory]::Delete($path) }
Invoke-Installer 0 (@('install', '-WhatIf') + $keys)
Assert-That (-not (Test-Service)) 'install -WhatIf registers nothing'
Invoke-Installer 0 (@('install', '-Verbose') + $keys)
foreach ($path in $Settings, "$Settings\HostKey") {
    Assert-That ("$(Get-Sids (Get-Acl -LiteralPath $path))" -eq 'S-1-5-18 S-1-5-32-544') "$path is for SYSTEM and Administrators"
}
Invoke-Installer 0 @('install')
Assert-That ($Lines -contains 'Nothing had to be changed') 'a second time nothing is changed'
Invoke-Installer 0 @('install', '-Port', '30000', '-AllowedSources', '192.0.2.0/24,2001:db8::/32')
$rule = Get-NetFirewallPortFilter -Protocol UDP | Where-Object { $_.LocalPort -eq '30000' }
Assert-That ($null -ne $rule) 'the firewall rule follows the port'
Invoke-Installer 0 @('install', '-Port', '30000', '-AllowedSources', '192.0.2.0/24,2001:db8::/32')
Assert-That ($Lines -contains 'Nothing had to be changed') 'a second time nothing is changed'
Invoke-Installer 0 @('status', '-Json')
# Windows PowerShell may break a line that is longer than the console is wide.
$status = $Lines -join '' | ConvertFrom-Json
Assert-That ($status.health -eq 'healthy' -and $status.listening) 'it is healthy'
Assert-That ($status.port -eq 30000 -and $status.account -eq 'LocalSystem') 'JSON says what is so'
Assert-That (@($status.events).Count -eq 5) 'JSON has five events'
Invoke-Installer 0 @('install', '-Port', '27735', '-AllowedSources', 'on-link', '-MetricsFile', $Metrics)
Start-Sleep -Seconds 3
Assert-That (Select-String -LiteralPath $Metrics -Pattern '^arpflush_' -Quiet) 'there are metrics'
Invoke-Installer 0 @('upgrade')

# ---- Service ----

Stop-Service -Name ArpFlush
Assert-That ((Get-Service -Name ArpFlush).Status -eq 'Stopped') 'the service stops'
Invoke-Installer 3 @('status')
Start-Service -Name ArpFlush
Assert-That ((Get-Service -Name ArpFlush).Status -eq 'Running') 'the service starts'
Restart-Service -Name ArpFlush
Invoke-Installer 0 @('status')
$events = @(Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'ArpFlush' })
$starts = @($events | Where-Object { $_.Id -eq 1 -and $_.Message -match '^Started version ' })
Assert-That ($starts.Count -ge 3) 'each start is in the event log, with its text'
$process = Get-Process -Name arpflush-service
Stop-Process -InputObject $process -Force
Start-Sleep -Seconds 4
foreach ($attempt in 1..20) {
    if ((Get-Service -Name ArpFlush).Status -eq 'Running') { break }
    Start-Sleep -Seconds 1
}
Assert-That ((Get-Service -Name ArpFlush).Status -eq 'Running') 'killed, it is started again after 5 s'

# ---- A version that doesn't start is rolled back ----

$letter = [char] 0xe9
$broken = Join-Path ([IO.Path]::GetTempPath()) "arpflush broken $letter & [1]"
[void] [IO.Directory]::CreateDirectory($broken)
foreach ($name in 'arpflush.exe', 'install.ps1') {
    [IO.File]::Copy("$Folder\$name", "$broken\$name", $true)
}
# A program that ends at once and has nothing against any settings.
$source = Join-Path ([IO.Path]::GetTempPath()) 'arpflush_broken.cs'
[IO.File]::WriteAllText($source, 'class Broken { static int Main() { return 0; } }')
& "$env:SystemRoot\Microsoft.NET\Framework64\v4.0.30319\csc.exe" /nologo "/out:$broken\arpflush-service.exe" $source
Assert-That ($LASTEXITCODE -eq 0) 'a broken version can be made'
$sums = foreach ($name in 'arpflush-service.exe', 'arpflush.exe', 'install.ps1') {
    $sum = (Get-FileHash -LiteralPath "$broken\$name" -Algorithm SHA256).Hash.ToLowerInvariant()
    "$sum  $name"
}
[IO.File]::WriteAllLines("$broken\SHA256SUMS", [string[]] $sums)
# Windows moves no file that another process has open like this: install.ps1 waits for it.
$holder = Start-Job {
    $file = [IO.File]::Open("$env:ProgramFiles\ArpFlush\SHA256SUMS", 'Open', 'Read', 'Read')
    'open'
    Start-Sleep -Seconds 6
    $file.Dispose()
}
while (-not ($holder | Receive-Job)) { Start-Sleep -Milliseconds 100 }
Invoke-Installer 1 @('upgrade', $broken)
Assert-That ($holder.State -eq 'Completed') 'a file that is held is waited for'
Invoke-Installer 0 @('status')

# ---- Stale entries are flushed, and a permanent one stays ----

$route = Get-NetRoute -DestinationPrefix '0.0.0.0/0' |
    Sort-Object -Property { $_.RouteMetric + $_.InterfaceMetric } | Select-Object -First 1
$link = @{ InterfaceIndex = $route.InterfaceIndex }
$wrong = '02-00-00-00-00-99'
foreach ($state in 'Stale', 'Reachable', 'Permanent') {
    $last = @{ Stale = 71; Reachable = 72; Permanent = 73 }[$state]
    try {
        [void] (New-NetNeighbor @link -IPAddress "192.0.2.$last" -LinkLayerAddress $wrong -State $state)
    } catch {
        Write-Host "Not made: a $state entry: $_"
    }
}
# The default gateway's: what is wrong about it is mended by the flush, or by Windows half a minute later.
$entry = $link + @{ IPAddress = $route.NextHop }
$good = (Get-NetNeighbor @entry).LinkLayerAddress
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
$left = @(Get-NetNeighbor @link | Where-Object { $_.LinkLayerAddress -eq $wrong })
Assert-That ("$($left.IPAddress)" -eq '192.0.2.73') 'of the others only the permanent one is left'
Remove-NetNeighbor @link -IPAddress '192.0.2.73' -Confirm:$false

# ---- The end ----

# By a process in the very folder that goes.
Push-Location -LiteralPath "$env:ProgramFiles\ArpFlush"
Invoke-Installer 0 @('uninstall')
Pop-Location
Assert-That (-not (Test-Service)) 'the service is gone'
Assert-That ("$((Get-Item $Settings).GetValue('RouterKeys'))" -eq $PublicKey) 'the router''s key is still there'
Assert-That (-not (Test-Path -LiteralPath $Metrics)) 'the metrics are not'
Invoke-Installer 4 @('status')
Invoke-Installer 0 @('install')
Assert-That (Test-Answer) 'the service answers the router that it obeyed before'
Invoke-Installer 0 @('uninstall', '-Purge')
Assert-That (-not (Test-Path -LiteralPath $Settings)) 'the settings are gone'
Assert-That (@(Get-NetFirewallRule -DisplayName ArpFlush -ErrorAction SilentlyContinue).Count -eq 0) 'and the firewall rule'
Invoke-Installer 4 @('status')
Remove-Item -LiteralPath $Key
Write-Host 'Everything is so'
exit 0
