#Requires -Version 5.1

<#
.SYNOPSIS
Installs, upgrades, removes or checks the ArpFlush service on this host.

.DESCRIPTION
For 64-bit Windows PowerShell 5.1 and PowerShell 7, as administrator; Server Core too. Downloads nothing.

install    copies the programs to %ProgramFiles%\ArpFlush, writes the settings that are given, registers
           service, event source and firewall rule, and starts the service. A second run changes nothing.
upgrade    the same where it is installed. What an administrator has changed of the service and of the
           firewall rule stays so.
uninstall  removes service, firewall rule, event source and programs; settings and host key with -Purge.
status     what is installed, and everything that is wrong with it.

A step of install or upgrade that fails undoes what this run did: the old programs are put back and started.
An uninstall that fails goes on where it was when it is run again.

Exit codes: 0 done, or healthy; 1 a step failed (also: PowerShell refused a parameter); 2 nothing was begun,
what was given can't be used; 3 installed, but not healthy; 4 not installed.

.EXAMPLE
.\install.ps1 install -RouterKeys arpflush-public-...,arpflush-public-...

.EXAMPLE
.\install.ps1 upgrade -WhatIf
Says what an upgrade would do, and does nothing.

.EXAMPLE
Invoke-Command -ComputerName web1,web2 -FilePath .\install.ps1 -ArgumentList status
Action, Source and RouterKeys can be given by position; the exit code is then $LASTEXITCODE of each session.
#>
[Diagnostics.CodeAnalysis.SuppressMessage('PSReviewUnusedParameter', '', Justification =
    'Parameters that are settings are read by their names.')]
[Diagnostics.CodeAnalysis.SuppressMessage('PSUseShouldProcessForStateChangingFunctions', '', Scope = 'Function',
    Target = '*', Justification = 'Invoke-Step asks for all that is called in it.')]
[Diagnostics.CodeAnalysis.SuppressMessage('PSShouldProcess', '', Scope = 'Function', Target = 'Invoke-Step',
    Justification = 'It asks by the $PSCmdlet of the script.')]
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    # install, upgrade, uninstall or status.
    [Parameter(Position = 0)] [ValidateSet('install', 'upgrade', 'uninstall', 'status')] [string] $Action = 'status',
    # The folder with SHA256SUMS and the programs. By default the folder of this script.
    [Parameter(Position = 1)] [string] $Source = $PSScriptRoot,
    # Public keys of all routers that this host obeys, as "arpflush --public-key" prints them there.
    [Parameter(Position = 2)] [string[]] $RouterKeys,
    # Public keys to obey as well. A running service takes them without a restart.
    [string[]] $AddRouterKey,
    # Public keys to obey no more, likewise.
    [string[]] $RemoveRouterKey,
    # UDP port of requests. The firewall rule follows it.
    [ValidateRange(1, 65535)] [int] $Port,
    # Addresses to listen on; 0.0.0.0,:: hears IPv4 and IPv6.
    [string[]] $Listen,
    # Password of the 2009 datagram. An empty one turns that datagram off.
    [securestring] $Password,
    # At most three flushes start in any period of this length.
    [int] $HoldDownSeconds,
    # How far a request's clock may be from this host's.
    [int] $ClockToleranceSeconds,
    # Whose requests are looked at: on-link, or addresses and networks. The firewall rule follows it.
    [string[]] $AllowedSources,
    # true or false: flush when the service starts.
    [ValidateSet('true', 'false')] [string] $FlushOnStart,
    # true or false: flush an interface that was added, connected or got an address.
    [ValidateSet('true', 'false')] [string] $FlushOnNetworkChange,
    # Addresses that are resolved anew regularly: none, gateway, or addresses.
    [string[]] $RefreshAddresses,
    # How often RefreshAddresses are resolved.
    [int] $RefreshSeconds,
    # NAME.prom in windows_exporter's textfile_inputs or in %ProgramFiles%\ArpFlush\metrics; an empty one: none.
    [string] $MetricsFile,
    # How much the event log is told: error, warning, info or debug.
    [ValidateSet('error', 'warning', 'info', 'debug')] [string] $LogLevel,
    # Leaves the firewall alone, where its rules come by policy.
    [switch] $NoFirewallRule,
    # With uninstall: removes the settings and the host's key too.
    [switch] $Purge,
    # With status: one JSON document instead of the table.
    [switch] $Json
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
# Invoke-Step asks; the cmdlets of a step needn't ask again.
$ConfirmPreference = 'None'
if ("$($ExecutionContext.SessionState.LanguageMode)" -ne 'FullLanguage') {
    Write-Warning 'Cannot run here: by policy only scripts that are signed, or allowed by their hash, may do this'
    if ($PSCommandPath) { exit 2 } else { return }
}

$Folder = [Environment]::GetFolderPath('ProgramFiles') + '\ArpFlush'
$ServiceExe = "$Folder\arpflush-service.exe"
$ScExe = [Environment]::SystemDirectory + '\sc.exe'
$SettingsKey = 'HKLM:\SOFTWARE\NPSL\ArpFlush'
$ServiceKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\ArpFlush'
$EventSourceKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\ArpFlush'

# How the registry holds each setting. Limits and defaults are the service's own: its --check knows them.
$SettingKinds = @{
    RouterKeys = 'MultiString'; Port = 'DWord'; Listen = 'MultiString'; Password = 'String'
    HoldDownSeconds = 'DWord'; ClockToleranceSeconds = 'DWord'; AllowedSources = 'MultiString'
    FlushOnStart = 'DWord'; FlushOnNetworkChange = 'DWord'; RefreshAddresses = 'MultiString'; RefreshSeconds = 'DWord'
    MetricsFile = 'String'; LogLevel = 'String'; LogFormat = 'String'
}

# What registers the service; no cmdlet of 5.1 sets most of it. LocalSystem flushes by being an administrator,
# and needs no privilege beyond what every process has. Recovery is also for an end with an error.
$Registration = @(
    "create ArpFlush start= delayed-auto binPath= ""\""$ServiceExe\"""" depend= Nsi/Tcpip"
    'description ArpFlush "Flushes the neighbor (ARP) cache when a router asks for it after a failover."'
    'failure ArpFlush reset= 86400 actions= restart/5000/restart/5000/restart/60000'
    'failureflag ArpFlush 1'
    'sidtype ArpFlush unrestricted'
    'privs ArpFlush SeChangeNotifyPrivilege'
)

# Asks: whose -WhatIf and -Confirm count. Undo: how the steps of this run are undone if a later one fails.
$Run = @{ Asks = $PSCmdlet; Undo = [Collections.Stack]::new(); HasChanged = $false; IsDeclined = $false; ExitCode = 0 }
# The settings that are given to this run, as the registry holds them.
$Given = @{}

# ---- Steps ----

function Get-Reason($problem) { $problem.Exception.GetBaseException().Message }

# Does a step unless -WhatIf or the answer to -Confirm forbids it. Its undoing copes with half of the step.
function Invoke-Step([string] $name, [string] $target, [scriptblock] $Do, [scriptblock] $Undo) {
    if (-not $Run.Asks.ShouldProcess($target, $name)) { $Run.IsDeclined = $true; return }
    $Run.HasChanged = $true
    if ($Undo) { $Run.Undo.Push(@{ Name = $name; Do = $Undo }) }
    try { $null = & $Do } catch { throw "Cannot ${name} ($target): $(Get-Reason $_)" }
    "done  ${name}: $target"
}

function Undo-Step {
    # What is put back listens on the old port.
    $Given.Clear()
    foreach ($step in $Run.Undo) {
        try {
            $null = & $step.Do
            $Host.UI.WriteErrorLine("  undone: $($step.Name)")
        } catch { $Host.UI.WriteErrorLine("  NOT undone: $($step.Name): $(Get-Reason $_)") }
    }
}

# Tries again for 10 s what fails because another program, a virus scanner as a rule, holds a file:
# ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, and ERROR_DIR_NOT_EMPTY, by files in it
# that are deleted but still held.
function Invoke-Retried([scriptblock] $do) {
    foreach ($try in 1..41) {
        try { return & $do } catch {
            $code = $_.Exception.GetBaseException().HResult -band 0xFFFF
            if ($try -eq 41 -or $code -notin 5, 32, 33, 145) { throw }
            Start-Sleep -Milliseconds 250
        }
    }
}

function Get-Sum([string] $path) { (Invoke-Retried { Get-FileHash -LiteralPath $path }).Hash }

function Move-File([string] $from, [string] $to) { Invoke-Retried { Move-Item -LiteralPath $from -Destination $to } }

function Remove-File([string] $path) {
    if (Test-Path -LiteralPath $path) { Invoke-Retried { Remove-Item -LiteralPath $path -Recurse -Force } }
}

# sc.exe with one command line, which every PowerShell hands on as it is. Its exit code is Windows' error.
function Invoke-Sc([string] $line, [int[]] $accept = @(0)) {
    Write-Verbose "sc.exe $line"
    $code = (Start-Process $ScExe $line -Wait -PassThru -WindowStyle Hidden).ExitCode
    if ($code -in $accept) { return $code }
    throw "sc.exe $line ended with error $code, $([ComponentModel.Win32Exception]::new($code).Message)"
}

# ---- Settings ----

# A registry key's values by name; none if there is no such key. One may be named Keys: list them by get_Keys().
function Get-Value([string] $key) {
    $values, $item = @{}, (Get-Item -LiteralPath $key -ErrorAction SilentlyContinue)
    foreach ($name in $(if ($item) { $item.GetValueNames() })) {
        $values[$name] = $item.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
    }
    $values
}

# A setting as this run is to have it, else as the registry has it.
function Get-Setting([string] $name) {
    if ($Given.ContainsKey($name)) { $Given[$name] } else { (Get-Value $SettingsKey)[$name] }
}

function Get-Port {
    $port = Get-Setting 'Port'
    if ($port -is [int] -and $port -gt 0 -and $port -lt 65536) { $port } else { 27735 }
}

# Lists as they are given: powershell -File passes one as a single text.
function Split-List([string[]] $texts) { @($texts -split '[,\s]+' -ne '') }

# Router keys of a parameter. What isn't one is never shown: it may be a secret key.
function Get-RouterKey([string] $parameter, [string[]] $texts) {
    foreach ($key in Split-List $texts) {
        if ($key -like '*arpflush-secret-*') {
            throw "Cannot take -${parameter}: this is a secret key, and hosts need the public one. Make the router " +
            'a new key: this one stands in the history of this console now'
        }
        if ($key -cnotmatch '^arpflush-public-[A-Za-z0-9_-]{43}$') {
            throw "Cannot take -${parameter}: a router's public key is arpflush-public- and 43 more characters"
        }
        $key
    }
}

function Get-GivenSetting($bound) {
    $given, $present = @{}, @((Get-Value $SettingsKey)['RouterKeys'] | Where-Object { $_ })
    foreach ($name in $SettingKinds.get_Keys() | Where-Object { $bound.ContainsKey($_) }) {
        $value = $bound[$name]
        if ($SettingKinds[$name] -eq 'MultiString') { $given[$name] = @(Split-List $value) }
        elseif ($value -is [securestring]) { $given[$name] = [Net.NetworkCredential]::new('', $value).Password }
        elseif ($value -in 'true', 'false') { $given[$name] = [int] ($value -eq 'true') }
        else { $given[$name] = $value }
    }
    $keys = @(if ($bound.ContainsKey('RouterKeys')) { Get-RouterKey 'RouterKeys' $RouterKeys } else { $present }
        Get-RouterKey 'AddRouterKey' $AddRouterKey)
    $gone = @(Get-RouterKey 'RemoveRouterKey' $RemoveRouterKey)
    $keys = @($keys | Where-Object { $_ -cnotin $gone } | Select-Object -Unique)
    if ("$keys" -ceq "$present") { $given.Remove('RouterKeys') } else { $given['RouterKeys'] = $keys }
    $given
}

# Makes the key for SYSTEM and Administrators alone, before a password can be in it; PowerShell 7 can't make one
# together with its access rights. Those of a key that is there are for the service to judge.
function Initialize-Setting {
    $null = New-Item -Path $SettingsKey -Force
    $security = [Security.AccessControl.RegistrySecurity]::new()
    $security.SetSecurityDescriptorSddlForm('O:BAD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)', 'Access, Owner')
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey(
        ($SettingsKey -replace '^HKLM:\\'), 'ReadWriteSubTree', 'ChangePermissions, TakeOwnership')
    $key.SetAccessControl($security)
    $key.Dispose()
}

# Removes the settings, with the vendor's key if nothing else is in it.
function Remove-Setting {
    if (-not (Test-Path -LiteralPath $SettingsKey)) { return }
    $vendor = Get-Item -LiteralPath (Split-Path $SettingsKey)
    $isShared = $vendor.SubKeyCount + $vendor.ValueCount -gt 1
    Remove-Item -LiteralPath $(if ($isShared) { $SettingsKey } else { Split-Path $SettingsKey }) -Recurse
}

# ---- Service ----

# Empty if there is no such service.
function Get-State { "$(Get-Service -Name ArpFlush -ErrorAction SilentlyContinue | ForEach-Object Status)" }

function Get-ServiceProcess {
    Get-Process -Name 'arpflush-service' -ErrorAction SilentlyContinue | Where-Object Path -EQ $ServiceExe
}

function Test-Listening {
    $ids = @(Get-ServiceProcess | ForEach-Object Id)
    $endpoints = Get-NetUDPEndpoint -LocalPort (Get-Port) -ErrorAction SilentlyContinue
    [bool] ($endpoints | Where-Object OwningProcess -In $ids)
}

# Starts the service, or has a running one take its settings anew, and waits until it listens.
function Start-ArpFlush {
    if ((Get-State) -eq 'Running') { $null = Invoke-Sc 'control ArpFlush paramchange' } else { Start-Service ArpFlush }
    foreach ($try in 1..60) {
        if (Test-Listening) { return }
        Start-Sleep -Milliseconds 250
    }
    throw "it doesn't listen on UDP port $(Get-Port)"
}

# Its file is free when the process is gone, some time after the manager says that the service has stopped.
function Stop-ArpFlush {
    Stop-Service -Name ArpFlush -NoWait
    (Get-Service -Name ArpFlush).WaitForStatus('Stopped', '00:00:40')
    Get-ServiceProcess | Wait-Process -Timeout 40
}

# Windows only marks a service for deletion (1072) while another program has it open, and says 1060 once it is gone.
function Unregister-ArpFlush {
    $null = Invoke-Sc 'delete ArpFlush' 0, 1060, 1072
    foreach ($try in 1..60) {
        if ((Invoke-Sc 'query ArpFlush' 0, 1060) -eq 1060) { return }
        Start-Sleep -Milliseconds 500
    }
    throw 'the service is marked for deletion, and goes when the last program that has it open is closed: ' +
    'services.msc, Task Manager, a monitoring agent'
}

# Runs the service's program by hand: its exit code, and all that it says.
function Invoke-ServiceExe([string] $option) {
    # In 5.1 a line on stderr counts as an error, and would end this script.
    $ErrorActionPreference = 'Continue'
    try { $lines = & $ServiceExe $option 2>&1 } catch { return @{ ExitCode = -1; Text = Get-Reason $_ } }
    @{ ExitCode = $LASTEXITCODE; Text = (@($lines) -join "`n").Trim() }
}

# The service's last events, the newest first, of each the first line of its text; advice is in the others. By XPath,
# which may name a source that isn't registered.
function Get-LastEvent([int] $count, [string] $condition) {
    $query = @{ LogName = 'Application'; FilterXPath = "*[System[Provider[@Name='ArpFlush']$condition]]" }
    Get-WinEvent @query -MaxEvents $count -ErrorAction SilentlyContinue | ForEach-Object {
        [ordered] @{
            time = '{0:s}Z' -f $_.TimeCreated.ToUniversalTime()
            level = @('', 'critical', 'error', 'warning', 'information')[$_.Level]
            id = $_.Id; text = "$(@($_.Properties)[0].Value)" -replace '(?s)\r?\n.*'
        }
    }
}

# ---- Firewall ----

# What this run may change of the rule, or nothing if there is none.
function Get-Rule {
    Get-NetFirewallRule -Name ArpFlush -ErrorAction SilentlyContinue | ForEach-Object {
        @{ LocalPort = ($_ | Get-NetFirewallPortFilter).LocalPort
            RemoteAddress = ($_ | Get-NetFirewallAddressFilter).RemoteAddress
        }
    }
}

# Makes the rule, in each profile, because a failover can flip the profile. One that is there is an
# administrator's: it only follows what this run changes of port and sources.
function Invoke-FirewallStep {
    $isNew, $change = (-not $Plan.Rule), @{}
    if ($NoFirewallRule -or ($isNew -and $Action -eq 'upgrade')) { return }
    $remote = @(Get-Setting 'AllowedSources' | Where-Object { $_ })
    if ($remote.Count -eq 0 -or $remote -contains 'on-link') { $remote = @('LocalSubnet') }
    elseif ($remote -match '/0$') { $remote = @('Any') }
    if ($isNew -or 'Port' -in $Plan.Due) { $change.LocalPort = "$(Get-Port)" }
    if ($isNew -or 'AllowedSources' -in $Plan.Due) { $change.RemoteAddress = $remote }
    if ($change.Count -eq 0) { return }
    $what = ($change.get_Keys() | Sort-Object | ForEach-Object { "$_ $($change[$_])" }) -join ', '
    Invoke-Step "$(if ($isNew) { 'make' } else { 'change' }) firewall rule" "ArpFlush: $what" -Do {
        if (-not $isNew) { return Set-NetFirewallRule -Name ArpFlush @change }
        New-NetFirewallRule -Name ArpFlush -DisplayName ArpFlush -Direction Inbound -Action Allow -Profile Any `
            -Protocol UDP -Program $ServiceExe @change -Description 'Requests of routers to flush the ARP cache'
    } -Undo {
        $rule = $Plan.Rule
        if ($rule) { Set-NetFirewallRule -Name ArpFlush @rule }
        else { Remove-NetFirewallRule -Name ArpFlush -ErrorAction SilentlyContinue }
    }
}

# Why requests may not get through the firewall, as rules and policy are in effect now.
function Get-FirewallProblem {
    $active, $port = @{ PolicyStore = 'ActiveStore'; ErrorAction = 'SilentlyContinue' }, (Get-Port)
    $profiles = @(Get-NetFirewallProfile -PolicyStore ActiveStore | Where-Object { "$($_.Enabled)" -eq 'True' })
    if ($profiles.Count -eq 0) { return }
    # Rules for the program, which a policy may name otherwise, and those for the port of any program. A range of
    # ports is taken to have the service's in it.
    $rules = @(
        Get-NetFirewallApplicationFilter -Program $ServiceExe, '%ProgramFiles%\ArpFlush\arpflush-service.exe' @active |
            Get-NetFirewallRule
        Get-NetFirewallPortFilter -Protocol UDP @active | Where-Object LocalPort -Contains "$port" |
            Get-NetFirewallRule | Where-Object { ($_ | Get-NetFirewallApplicationFilter).Program -eq 'Any' }
    ) | Where-Object { "$($_.Direction) $($_.Enabled)" -eq 'Inbound True' } |
        Where-Object { @(($_ | Get-NetFirewallPortFilter).LocalPort) -match "^(Any|$port|.*-.*)$" }
    if ($rules | Where-Object Action -EQ 'Block') { 'a firewall rule blocks the program' }
    $closed = @($profiles | Where-Object { "$($_.AllowInboundRules)" -eq 'False' })
    if ($closed) { "the firewall lets nothing in, whatever its rules say ($($closed.Name -join ', '))" }
    $allowed = @($rules | Where-Object Action -EQ 'Allow')
    if ($allowed.Count -eq 0) { return "no enabled firewall rule lets the program receive on UDP port $port" }
    # Those of a policy or of a device manager count in any case.
    if ($allowed | Where-Object PolicyStoreSourceType -NE 'Local') { return }
    $deaf = @($profiles | Where-Object { "$($_.AllowLocalFirewallRules)" -eq 'False' })
    if ($deaf) { "the firewall rule has no effect: a policy has Windows ignore local rules ($($deaf.Name -join ', '))" }
}

# ---- The actions ----

function Get-Status {
    $values, $service = (Get-Value $SettingsKey), (Get-Value $ServiceKey)
    $version, $check = (Invoke-ServiceExe '--version'), (Invoke-ServiceExe '--check')
    $auto = if ($service['DelayedAutostart']) { 'delayed-auto' } else { 'auto' }
    $status = [ordered] @{
        health = 'healthy'; problems = @(); version = $version.Text -replace '(?s)^\S+\s+(\S+).*$', '$1'
        state = (Get-State).ToLowerInvariant() -replace '^$', 'absent'; account = "$($service['ObjectName'])"
        startType = @('absent', 'system', $auto, 'demand', 'disabled')[[int] $service['Start']]
        port = Get-Port; listening = Test-Listening
        routerKeys = @($values['RouterKeys'] | Where-Object { $_ }); hostKey = (Invoke-ServiceExe '--host-key').Text
        settings = @(foreach ($name in $values.get_Keys() | Sort-Object) {
                if ($name -eq 'Password') { 'Password = (set)' }
                elseif ($name -ne 'RouterKeys') { "$name = $(@($values[$name]) -join ', ')" }
            })
        events = @(Get-LastEvent 5)
        notShown = 'whether requests get here: on a router, run arpflush --probe with this host''s address'
    }
    $status.problems = @(
        if ($status.state -ne 'running') { "the service is $($status.state)" }
        if ($version.ExitCode -ne 0) { "$ServiceExe doesn't run: $($version.Text)" }
        elseif ($check.ExitCode -ne 0) { $check.Text -split '\n' }
        if ($status.startType -notlike '*auto') { 'the service doesn''t start by itself' }
        if (-not $status.listening) { "it doesn't listen on UDP port $($status.port)" }
        try { Get-FirewallProblem } catch { "the firewall can't be asked: $(Get-Reason $_)" }
        Get-LastEvent 1 ' and (EventID=10 or EventID=11)' | Where-Object { $_.id -eq 11 } | ForEach-Object {
            "the last flush failed: $($_.text)"
        }
    )
    if ($status.problems.Count -gt 0) { $status.health = 'not healthy' }
    $status
}

function Show-Status {
    if (-not (Get-State) -and -not (Test-Path -LiteralPath $ServiceExe)) {
        $Run.ExitCode = 4
        if ($Json) { return '{"health":"not installed"}' } else { return 'ArpFlush is not installed' }
    }
    $status = Get-Status
    $Run.ExitCode = if ($status.health -eq 'healthy') { 0 } else { 3 }
    if ($Json) { return ConvertTo-Json $status -Depth 4 -Compress }
    $status.events = $status.events | ForEach-Object { "$($_.get_Values())" }
    foreach ($name in $status.get_Keys()) { '{0,-12} {1}' -f $name, ($status[$name] -join ("`n" + ' ' * 13)) }
}

# The files to be copied. While the list of sums and the sizes are those that are installed, no program is read:
# a policy may run this at each boot.
function Get-DueFile {
    if (-not $Source) { throw 'Cannot tell where the programs are: give -Source' }
    $list = Join-Path $Source 'SHA256SUMS'
    if (-not (Test-Path -LiteralPath $list)) { throw "Cannot find ""$list""" }
    $files = @(foreach ($line in @(Get-Content -LiteralPath $list) + "$(Get-Sum $list)  SHA256SUMS") {
            if ($line -notmatch '^(\w{64}) [ *](.*/)?(arpflush(-service)?\.exe|install\.ps1|SHA256SUMS)$') { continue }
            $file = @{ From = Join-Path $Source $Matches[3]; To = "$Folder\$($Matches[3])"; Sum = $Matches[1] }
            if (-not (Test-Path -LiteralPath $file.From)) { throw "Cannot find ""$($file.From)""" }
            $file + @{ Existed = Test-Path -LiteralPath $file.To }
        })
    if ($ServiceExe -notin $files.To) { throw "Cannot trust ""$list"": arpflush-service.exe isn't in it" }
    $other = @($files | Where-Object {
            -not $_.Existed -or (Get-Item -LiteralPath $_.From).Length -ne (Get-Item -LiteralPath $_.To).Length })
    if ($other.Count -eq 0 -and (Get-Sum $files[-1].To) -eq $files[-1].Sum) { return }
    foreach ($file in $files | Where-Object { (Get-Sum $_.From) -ne $_.Sum }) {
        throw "Cannot trust ""$($file.From)"": its SHA-256 is not the one in SHA256SUMS"
    }
    $files | Where-Object { -not $_.Existed -or (Get-Sum $_.To) -ne $_.Sum }
}

# What install or upgrade finds, and has to do.
function Get-Plan {
    $service, $values = (Get-Value $ServiceKey), (Get-Value $SettingsKey)
    $program = "$($service['ImagePath'])".Trim('"')
    $key = Get-Item -LiteralPath $SettingsKey -ErrorAction SilentlyContinue
    if ($Action -eq 'upgrade' -and -not $program) {
        $Run.ExitCode = 4
        throw 'Cannot upgrade: ArpFlush is not installed; use install'
    }
    if ($program -and $program -ne $ServiceExe) {
        throw "Cannot ${Action}: the service ArpFlush is registered with another program, $program"
    }
    if (-not (Get-Setting 'RouterKeys') -and -not (Get-Setting 'Password')) {
        throw 'Cannot install without -RouterKeys: on each router, arpflush --public-key -k FILE prints its own'
    }
    $files, $state = @(Get-DueFile), (Get-State)
    # The given settings that are stored otherwise.
    $due = @($Given.get_Keys() | Sort-Object | Where-Object {
            "$($values[$_])" -cne "$($Given[$_])" -or
            ($values.ContainsKey($_) -and $key.GetValueKind($_) -ne $SettingKinds[$_]) })
    $stored = foreach ($name in $due | Where-Object { $values.ContainsKey($_) }) {
        @{ Name = $name; PropertyType = $key.GetValueKind($name); Value = $values[$name] }
    }
    @{
        Files = $files; HasFolder = Test-Path -LiteralPath $Folder
        Due = $due; Stored = @($stored); HasKey = [bool] $key
        State = $state; StartType = $service['Start']; Rule = Get-Rule
        # A running service takes new settings without a restart, new programs not.
        IsLive = $state -eq 'Running' -and $files.Count -eq 0
    }
}

# Copies beside what is there, and checks each copy; the service runs on meanwhile.
function Copy-Program {
    $null = New-Item -ItemType Directory -Path $Folder -Force
    # SYSTEM, Administrators, TrustedInstaller, and who runs this.
    $trusted = 'S-1-5-18', 'S-1-5-32-544', [Security.Principal.WindowsIdentity]::GetCurrent().User.Value,
    'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
    $owner = (Get-Acl -LiteralPath $Folder).GetOwner([Security.Principal.SecurityIdentifier]).Value
    if ($owner -notin $trusted) { throw "$Folder belongs to $owner, not to Administrators" }
    # The service may write into it, but not make it.
    $null = New-Item -ItemType Directory -Path "$Folder\metrics" -Force
    foreach ($file in $Plan.Files) {
        Remove-File "$($file.To).old"
        Invoke-Retried { Copy-Item -LiteralPath $file.From -Destination "$($file.To).new" -Force }
        if ((Get-Sum "$($file.To).new") -ne $file.Sum) { throw "the copy of $($file.From) is not what was checked" }
    }
}

# Puts the copies in the place of the programs, which are NAME.old until all has worked.
function Invoke-ProgramStep {
    Invoke-Step 'copy programs' $Folder -Do { Copy-Program } -Undo {
        foreach ($file in $Plan.Files) { Remove-File "$($file.To).new" }
        if (-not $Plan.HasFolder) { Remove-File $Folder }
    }
    if ($Plan.State -eq 'Running') {
        Invoke-Step 'stop service' 'ArpFlush' -Do { Stop-ArpFlush } -Undo { Start-ArpFlush }
    }
    Invoke-Step 'replace programs' $Folder -Do {
        foreach ($file in $Plan.Files) {
            if ($file.Existed) { Move-File $file.To "$($file.To).old" }
            Move-File "$($file.To).new" $file.To
        }
    } -Undo {
        foreach ($file in $Plan.Files) {
            $isMoved = Test-Path -LiteralPath "$($file.To).old"
            if ($isMoved -or -not $file.Existed) { Remove-File $file.To }
            if ($isMoved) { Move-File "$($file.To).old" $file.To }
        }
    }
}

function Invoke-SettingsStep {
    Invoke-Step 'write settings' "${SettingsKey}: $($Plan.Due -join ', ')" -Do {
        if (-not $Plan.HasKey) { Initialize-Setting }
        foreach ($name in $Plan.Due) {
            New-ItemProperty $SettingsKey -Name $name -PropertyType $SettingKinds[$name] -Value $Given[$name] -Force
        }
    } -Undo {
        if (-not $Plan.HasKey) { return Remove-Setting }
        foreach ($name in $Plan.Due) { Remove-ItemProperty $SettingsKey -Name $name -ErrorAction SilentlyContinue }
        foreach ($value in $Plan.Stored) { New-ItemProperty $SettingsKey @value }
    }
}

function Install-ArpFlush {
    if ($Plan.Files) { Invoke-ProgramStep }
    if ($Plan.Due) {
        # Undone after the settings are back; the service hasn't heard of any of it, or hears of that.
        if ($Plan.IsLive) { $Run.Undo.Push(@{ Name = 'reload settings'; Do = { Start-ArpFlush } }) }
        Invoke-SettingsStep
    }
    if ($Run.HasChanged) {
        $check = Invoke-ServiceExe '--check'
        if ($check.ExitCode -ne 0) { throw "The service refuses its settings: $($check.Text)" }
    }
    if ((Get-Value $EventSourceKey)['TypesSupported'] -ne 7) {
        Invoke-Step 'register event source' 'ArpFlush (Application log)' -Do {
            New-Item -Path $EventSourceKey -Force
            New-ItemProperty $EventSourceKey -Name TypesSupported -PropertyType DWord -Value 7
            New-ItemProperty $EventSourceKey -Name EventMessageFile -PropertyType ExpandString `
                -Value '%SystemRoot%\System32\EventCreate.exe'
        } -Undo { Remove-Item -LiteralPath $EventSourceKey -ErrorAction SilentlyContinue }
    }
    # Once: all of it is an administrator's to change from then on.
    if (-not $Plan.State) {
        Invoke-Step 'register service' 'ArpFlush' -Undo { Unregister-ArpFlush } -Do {
            foreach ($line in $Registration) { Invoke-Sc $line }
        }
    }
    Invoke-FirewallStep
    # One that an administrator has stopped for good, or disabled, an upgrade leaves alone.
    $isDue = $Plan.State -eq 'Running' -or $Plan.StartType -eq 2 -or ($Action -eq 'install' -and $Plan.StartType -ne 4)
    if ($Plan.IsLive -and $Run.HasChanged) {
        Invoke-Step 'reload settings' 'ArpFlush' -Do { Start-ArpFlush }
    } elseif ($isDue -and -not $Plan.IsLive) {
        Invoke-Step 'start service' 'ArpFlush' -Do { Start-ArpFlush } -Undo {
            if ((Get-State) -ne 'Stopped') { Stop-ArpFlush }
        }
    }
    $Run.Undo.Clear()
    if ($Run.IsDeclined) { return }
    foreach ($file in $Plan.Files) {
        # The next version tries again.
        try { Remove-File "$($file.To).old" } catch { Write-Warning "Cannot remove $($file.To).old: $(Get-Reason $_)" }
    }
    if ($Run.HasChanged) { Show-Status } else { 'Nothing had to be changed' }
}

# What can't be undone comes when the programs, which somebody may hold, are out of the way.
function Uninstall-ArpFlush {
    if ((Get-State) -notin '', 'Stopped') {
        Invoke-Step 'stop service' 'ArpFlush' -Do { Stop-ArpFlush } -Undo { Start-ArpFlush }
    }
    if (Test-Path -LiteralPath $Folder) {
        Invoke-Step 'take programs away' $Folder -Do {
            # A folder that somebody is in can't be moved; here that may be this PowerShell itself.
            if ("$(Get-Location)\" -like "$Folder\*") { Set-Location -LiteralPath (Split-Path $Folder) }
            [Environment]::CurrentDirectory = [Environment]::SystemDirectory
            Remove-File "$Folder.old"
            Move-File $Folder "$Folder.old"
        } -Undo { if (Test-Path -LiteralPath "$Folder.old") { Move-File "$Folder.old" $Folder } }
    }
    $Run.Undo.Clear()
    if (Get-Rule) { Invoke-Step 'remove firewall rule' 'ArpFlush' -Do { Remove-NetFirewallRule -Name ArpFlush } }
    if (Test-Path -LiteralPath $EventSourceKey) {
        Invoke-Step 'remove event source' 'ArpFlush' -Do { Remove-Item -LiteralPath $EventSourceKey }
    }
    if ($Purge -and (Test-Path -LiteralPath $SettingsKey)) {
        Invoke-Step 'remove settings' $SettingsKey -Do { Remove-Setting }
    }
    if (Get-State) { Invoke-Step 'delete service' 'ArpFlush' -Do { Unregister-ArpFlush } }
    if ($Run.IsDeclined) { return }
    Remove-File "$Folder.old"
    if (-not $Run.HasChanged) { 'Nothing had to be removed' }
    elseif (-not $Purge) { 'The settings and the host''s key are kept; -Purge removes them too' }
}

$isFinished = $false
try {
    if (-not [Environment]::Is64BitProcess) { throw 'Cannot run here: take the 64-bit PowerShell' }
    $identity = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
    if (-not $identity.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw 'Cannot do this without rights: run PowerShell as administrator'
    }
    if ($Action -eq 'status') { Show-Status }
    elseif ($Action -eq 'uninstall') { Uninstall-ArpFlush }
    else {
        $Given = Get-GivenSetting $PSBoundParameters
        $Plan = Get-Plan
        Install-ArpFlush
    }
    $isFinished = $true
} catch {
    if ($Run.ExitCode -ne 4) { $Run.ExitCode = if ($Run.HasChanged) { 1 } else { 2 } }
    $Host.UI.WriteErrorLine("Failed: $(Get-Reason $_)")
    $last = if ($Run.HasChanged) { Get-LastEvent 1 }
    if ($last) { $Host.UI.WriteErrorLine("  the service's last event: $($last.get_Values())") }
} finally {
    # Also after Ctrl+C.
    if (-not $isFinished) { Undo-Step }
}
if ($PSCommandPath) { exit $Run.ExitCode }
# As the block of Invoke-Command -FilePath it has an exit code by a program that it runs.
& "$([Environment]::SystemDirectory)\cmd.exe" /c "exit $($Run.ExitCode)"
