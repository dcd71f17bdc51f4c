# Dot-sourced by run.ps1: doubles of cmdlets that Wine has nothing behind, the firewall's on a file of JSON; and
# faults: a cmdlet that changes something can be told to fail.

$global:Firewall = 'C:\firewall.json'

function Get-Store {
    if (Test-Path $global:Firewall) { return Get-Content -Raw $global:Firewall | ConvertFrom-Json -AsHashtable }
    $profiles = foreach ($name in 'Domain', 'Private', 'Public') {
        @{ Name = $name; Enabled = 'True'; AllowInboundRules = 'True'; AllowLocalFirewallRules = 'True' }
    }
    @{ Rules = @(); Profiles = @($profiles) }
}

function Save-Store($store) { ConvertTo-Json $store -Depth 5 -Compress | Set-Content $global:Firewall }

# Double of Get-NetFirewallRule: rules of the file; a filter object of these doubles is its rule.
function Get-NetFirewallRule {
    [CmdletBinding()]
    param([string] $Name, [Parameter(ValueFromPipeline)] $Filter)
    process {
        if ($Filter) { return $Filter }
        foreach ($rule in (Get-Store).Rules) { if ($rule.Name -eq $Name) { [pscustomobject] $rule } }
    }
}
# Double of Get-NetFirewallPortFilter: a rule has its ports itself.
function Get-NetFirewallPortFilter {
    [CmdletBinding()] param([string] $Protocol, [string] $PolicyStore, [Parameter(ValueFromPipeline)] $Rule)
    process { if ($Rule) { $Rule } else { foreach ($one in (Get-Store).Rules) { if ($one.Protocol -eq $Protocol) { [pscustomobject] $one } } } }
}
# Double of Get-NetFirewallApplicationFilter: a rule has its program itself.
function Get-NetFirewallApplicationFilter {
    [CmdletBinding()] param([string[]] $Program, [string] $PolicyStore, [Parameter(ValueFromPipeline)] $Rule)
    process { if ($Rule) { $Rule } else { foreach ($one in (Get-Store).Rules) { if ($one.Program -in $Program) { [pscustomobject] $one } } } }
}
# Says an error as a function of a module does: of $ErrorActionPreference it sees only the global one.
function Write-ModuleError([string] $text, $bound) {
    $action = if ($bound['ErrorAction']) { $bound['ErrorAction'] } else { 'Continue' }
    Write-Error $text -ErrorAction $action
}
# Double of Get-NetFirewallProfile: three profiles, all enabled.
function Get-NetFirewallProfile {
    [CmdletBinding()] param([string] $PolicyStore)
    if ((Get-Store)['IsStopped']) {
        return Write-ModuleError 'There are no more endpoints available from the endpoint mapper.' $PSBoundParameters
    }
    foreach ($one in (Get-Store).Profiles) { [pscustomobject] $one }
}

# As the firewall gives it back.
function Get-Address([string[]] $addresses) { @($addresses -replace '/24$', '/255.255.255.0') }

# Double of New-NetFirewallRule: adds to the file.
function New-NetFirewallRule {
    [CmdletBinding()]
    param($Name, $DisplayName, $Description, $Direction, $Action, $Protocol, $Profile, $Program, $LocalPort,
        [string[]] $RemoteAddress)
    $store = Get-Store
    $store.Rules = @($store.Rules) + @{
        Name = $Name; DisplayName = $DisplayName; Description = $Description; Direction = $Direction
        Action = $Action; Protocol = $Protocol; Profile = $Profile; Program = $Program; LocalPort = $LocalPort
        RemoteAddress = Get-Address $RemoteAddress; Enabled = 'True'; PolicyStoreSourceType = 'Local'
    }
    Save-Store $store
}
# Double of Set-NetFirewallRule: changes the file.
function Set-NetFirewallRule {
    [CmdletBinding()] param($Name, $LocalPort, [string[]] $RemoteAddress)
    $store = Get-Store
    foreach ($rule in $store.Rules) {
        if ($rule.Name -ne $Name) { continue }
        if ($LocalPort) { $rule.LocalPort = $LocalPort }
        if ($RemoteAddress) { $rule.RemoteAddress = Get-Address $RemoteAddress }
    }
    Save-Store $store
}
# Double of Remove-NetFirewallRule: takes out of the file.
function Remove-NetFirewallRule {
    [CmdletBinding()] param($Name)
    $store = Get-Store
    $store.Rules = @($store.Rules | Where-Object { $_.Name -ne $Name })
    Save-Store $store
}

# Double of Get-NetUDPEndpoint: the port is the real one; that it is the service's process can't be seen under Wine.
function Get-NetUDPEndpoint {
    [CmdletBinding()] param([int] $LocalPort)
    $listeners = [Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties().GetActiveUdpListeners()
    if ($listeners | Where-Object { $_.Port -eq $LocalPort }) {
        # One that is just ending has no number.
        Get-Process -Name arpflush-service -ErrorAction SilentlyContinue | Where-Object { -not $_.HasExited } |
            ForEach-Object { [pscustomobject] @{ OwningProcess = $_.Id } }
    }
}

# Double of Get-WinEvent: Wine keeps no events. These are the plan's; null while the event log is stopped.
$global:Events = @()
function Get-WinEvent {
    [CmdletBinding()] param([string] $LogName, [string] $FilterXPath, [int] $MaxEvents)
    if ($null -eq $global:Events) { throw 'The RPC server is unavailable.' }
    $ids = [regex]::Matches($FilterXPath, 'EventID=(\d+)') | ForEach-Object { [int] $_.Groups[1].Value }
    $known = "Application *[System[Provider[@Name='ArpFlush']$(if ($ids) { " and (EventID=$($ids -join ' or EventID='))" })]]"
    if ("$LogName $FilterXPath" -ne $known) { throw "other events: $LogName $FilterXPath" }
    $events = $global:Events | Where-Object { -not $ids -or $_.Id -in $ids }
    $events | Select-Object -First $MaxEvents | ForEach-Object {
        [pscustomobject] @{ Id = $_.Id; Level = $_.Level; TimeCreated = [datetime] '2026-03-04T05:06:07Z'
            Properties = @(@{ Value = $_.Text }) }
    }
}

# ---- Faults ----

# Kind "fail": the call numbered At throws, of all that change something. "held": each call about a file fails
# three times. It finds the file really open for another program; the second time it is a Double of error 5, which
# Wine never gives here. "watch": notes what is moved while the service's process is there. "spoil": the first
# copy gets more at its end, as by somebody else. "keep": sc.exe finds the service whatever was done to it, a Double
# of another program that has it open.
$global:Faults = @()
$global:Reals = @{}

function Get-FileOf([object[]] $words) {
    foreach ($word in $words) {
        if ("$word" -notmatch '^[A-Z]:\\') { continue }
        $file = Microsoft.PowerShell.Management\Get-ChildItem -LiteralPath $word -File -Recurse -ErrorAction Ignore
        if ($file) { return @($file)[0].FullName }
    }
}

# Whether a call is to be refused: how often it was so far, and by what file, if it is about one.
function Get-Refusal($fault, [string] $name, [object[]] $words) {
    $file = if ($name -in 'Copy-Item', 'Move-Item', 'Remove-Item') { Get-FileOf $words }
    if (-not $file) { return }
    $call = "$name $words"
    if (-not $fault.Refused.Contains($call)) { $fault.Refused[$call] = 0 }
    if ($fault.Refused[$call] -eq 3) { return }
    $fault.Refused[$call]++
    $file
}

# Double of Start-Sleep: where calls are made to fail, nobody waits long for the next one.
function Start-Sleep {
    param([int] $Milliseconds)
    [Threading.Thread]::Sleep($(if ($global:Faults) { 10 } else { $Milliseconds }))
}

$faulty = {
    $name = $MyInvocation.MyCommand.Name
    $handle, $fault = $null, @{ Kind = '' }
    foreach ($fault in $global:Faults) {
        if ($fault.Kind -eq 'fail') {
            $fault.Count++
            if ($fault.Count -eq $fault.At) {
                $fault.Met = "$name $args"
                $text = "injected failure of $name"
                if ($name -notlike '*-Net*') { throw $text }
                return Write-ModuleError $text @{ ErrorAction = "$($args -eq 'Stop')" }
            }
        } elseif ($fault.Kind -eq 'watch') {
            $fault.Count++
            if ($name -eq 'Move-Item' -and (Get-Process arpflush-service -ErrorAction Ignore)) { $fault.Met += "$args`n" }
        } elseif ($fault.Kind -eq 'spoil') {
            if ($name -eq 'Copy-Item' -and -not $fault.Met) { $fault.Met = @($args -like '*.new')[0] }
        } elseif ($fault.Kind -eq 'keep') {
            if ($name -eq 'Start-Process') { return @{ ExitCode = 0 } }
        } elseif ($file = Get-Refusal $fault $name $args) {
            $fault.Errors += 5
            # Wine moves a folder with an open file in it, Windows says 5.
            $isFolder = $name -eq 'Move-Item' -and -not ($args -contains $file)
            if ($isFolder -or $fault.Refused["$name $args"] -eq 2) {
                throw [UnauthorizedAccessException]::new('Access is denied.')
            }
            $handle = [IO.File]::Open($file, 'Open', 'Read', 'None')
        }
    }
    try {
        & $global:Reals[$name] @args
        if ($name -eq 'Copy-Item' -and $fault.Kind -eq 'spoil') { Add-Content -LiteralPath $fault.Met more }
    } catch {
        if ($handle) { $fault.Errors[-1] = $_.Exception.GetBaseException().HResult -band 0xFFFF }
        throw
    } finally { if ($handle) { $handle.Dispose() } }
}
$changing = 'Copy-Item', 'Move-Item', 'Remove-Item', 'New-Item', 'New-ItemProperty', 'Remove-ItemProperty',
'Start-Service', 'Stop-Service', 'Start-Process', 'New-NetFirewallRule', 'Set-NetFirewallRule', 'Remove-NetFirewallRule'
foreach ($name in $changing) {
    $Reals[$name] = Get-Command $name
    if ($Reals[$name] -is [Management.Automation.FunctionInfo]) {
        Rename-Item "function:$name" "Real$name"
        $Reals[$name] = Get-Command "Real$name"
    }
    Set-Item "function:global:$name" $faulty
}
