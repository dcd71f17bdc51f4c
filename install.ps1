#Requires -Version 5.1

<#
.SYNOPSIS
Installs, upgrades, removes or checks the ArpFlush service on this host.

.DESCRIPTION
For 64-bit Windows PowerShell 5.1 and PowerShell 7, as administrator; Server Core too. Downloads nothing.

install    copies the programs to %ProgramFiles%\ArpFlush, writes the settings that are given, registers
           service, event source and firewall rule, and starts the service. A second run changes nothing.
upgrade    the same where it is installed. What an administrator has changed of the service and of the
           firewall rule stays so; that is said.
uninstall  removes service, firewall rule, event source and programs; the settings and the host's own key
           only with -Purge.
status     what is installed, and everything that is wrong with it.

A step of install or upgrade that fails undoes what this run did: the old programs are put back and
started. Only access rights of the settings that were too wide stay narrow. An uninstall that fails goes on
where it was when it is run again.

Exit codes: 0 done, or healthy; 1 a step failed (also: PowerShell refused a parameter); 2 nothing was
begun, what was given can't be used; 3 installed, but not healthy; 4 not installed.

.EXAMPLE
.\install.ps1 install -RouterKeys arpflush-public-...,arpflush-public-...

.EXAMPLE
.\install.ps1 upgrade -WhatIf

Says what an upgrade would do, and does nothing.

.EXAMPLE
Invoke-Command -ComputerName web1,web2 -FilePath .\install.ps1 -ArgumentList status

Asks two hosts. Action, Source and RouterKeys can be given by position; each host's session then has the
exit code in $LASTEXITCODE.
#>
[Diagnostics.CodeAnalysis.SuppressMessage('PSAvoidGlobalVars', '', Justification =
    'Run as a script block, by Invoke-Command -FilePath, the script has no other exit code.')]
[Diagnostics.CodeAnalysis.SuppressMessage('PSReviewUnusedParameter', '', Justification =
    'Parameters that are settings are read by their names.')]
[Diagnostics.CodeAnalysis.SuppressMessage('PSUseShouldProcessForStateChangingFunctions', '', Scope = 'Function',
    Target = '*', Justification = 'Invoke-Step asks, by the $PSCmdlet of the script, for all that is called in it.')]
[Diagnostics.CodeAnalysis.SuppressMessage('PSShouldProcess', '', Scope = 'Function', Target = 'Invoke-Step',
    Justification = 'It asks by the $PSCmdlet of the script.')]
[Diagnostics.CodeAnalysis.SuppressMessage('PSAvoidUsingPositionalParameters', '', Scope = 'Function', Target = '*',
    Justification = 'Only functions of this file are called so, which have few parameters in a plain order.')]
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    # install, upgrade, uninstall or status.
    [Parameter(Position = 0)] [ValidateSet('install', 'upgrade', 'uninstall', 'status')]
    [string] $Action = 'status',
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
    # Address to listen on.
    [string] $Listen,
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
    # NAME.prom in windows_exporter's textfile_inputs or in %ProgramFiles%\ArpFlush\metrics. An empty
    # one turns it off.
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

$Folder = [Environment]::GetFolderPath('ProgramFiles') + '\ArpFlush'
$ServiceExe = "$Folder\arpflush-service.exe"
$ScExe = [Environment]::SystemDirectory + '\sc.exe'
$SettingsPath = 'SOFTWARE\NPSL\ArpFlush'
$SettingsKey = "HKLM:\$SettingsPath"
$ServiceKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\ArpFlush'
$EventSourceKey = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\ArpFlush'
# SYSTEM, Administrators, TrustedInstaller, and who runs this.
$TrustedSids = 'S-1-5-18', 'S-1-5-32-544',
'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464',
[Security.Principal.WindowsIdentity]::GetCurrent().User.Value

# How the registry holds each setting. Limits and defaults are the service's own: its --check knows them.
$SettingKinds = @{
    RouterKeys = 'MultiString'; Port = 'DWord'; Listen = 'String'; Password = 'String'
    HoldDownSeconds = 'DWord'; ClockToleranceSeconds = 'DWord'; AllowedSources = 'MultiString'
    FlushOnStart = 'DWord'; FlushOnNetworkChange = 'DWord'; RefreshAddresses = 'MultiString'; RefreshSeconds = 'DWord'
    MetricsFile = 'String'; LogLevel = 'String'; LogFormat = 'String'
}

# What registers the service; no cmdlet of 5.1 sets most of it. Privileges: LocalSystem flushes by being an
# administrator, and needs none beyond what every process has. Recovery is also for an end with an error.
$Registration = @(
    "create ArpFlush start= delayed-auto binPath= ""\""$ServiceExe\"""" depend= Nsi/Tcpip"
    'description ArpFlush "Flushes the neighbor (ARP) cache when a router asks for it after a failover."'
    'failure ArpFlush reset= 86400 actions= restart/5000/restart/5000/restart/60000'
    'failureflag ArpFlush 1'
    'sidtype ArpFlush unrestricted'
    'privs ArpFlush SeChangeNotifyPrivilege'
)

# How steps of this run are undone if a later one fails, whether anything was done, or left out by -WhatIf.
$Run = @{ Undo = [Collections.Stack]::new(); HasChanged = $false; IsDeclined = $false; ExitCode = 1 }

# The settings that are given to this run, as the registry holds them.
$Given = @{}

# Ends the run before anything is changed.
function Stop-Run([string] $text, [int] $exitCode = 2) {
    $Run.ExitCode = $exitCode
    throw $text
}

function Get-Reason($problem) { $problem.Exception.GetBaseException().Message }

# Does a step unless -WhatIf or the answer to -Confirm forbids it. Its undoing is given Before, and copes with
# half of the step.
function Invoke-Step([string] $name, [string] $target, [scriptblock] $do, [scriptblock] $undo, $before) {
    if (-not $PSCmdlet.ShouldProcess($target, $name)) {
        $Run.IsDeclined = $true
        return
    }
    # Its cmdlets needn't ask again.
    $ConfirmPreference = 'None'
    $Run.HasChanged = $true
    if ($undo) { $Run.Undo.Push(@{ Name = $name; Do = $undo; Before = $before }) }
    try { $null = & $do } catch { throw "Cannot ${name} ($target): $(Get-Reason $_)" }
    "done  ${name}: $target"
}

function Undo-Step {
    # What is put back listens on the old port.
    $Given.Clear()
    while ($Run.Undo.Count -gt 0) {
        $step = $Run.Undo.Pop()
        try {
            $null = & $step.Do $step.Before
            $Host.UI.WriteErrorLine("  undone: $($step.Name)")
        } catch {
            $Host.UI.WriteErrorLine("  NOT undone: $($step.Name): $(Get-Reason $_)")
        }
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

function Move-Retried([string] $from, [string] $to) {
    Invoke-Retried { Move-Item -LiteralPath $from -Destination $to }
}

function Remove-Retried([string] $path) {
    if (Test-Path -LiteralPath $path) { Invoke-Retried { Remove-Item -LiteralPath $path -Recurse -Force } }
}

# sc.exe with one command line, which every PowerShell hands on as it is. Its exit code is Windows' error.
function Invoke-Sc([string] $line, [int[]] $accept = @(0)) {
    Write-Verbose "sc.exe $line"
    $code = (Start-Process $ScExe $line -Wait -PassThru -WindowStyle Hidden).ExitCode
    if ($code -notin $accept) {
        throw "sc.exe $line ended with error $code, $([ComponentModel.Win32Exception]::new($code).Message)"
    }
}

# Runs the service's program by hand: its exit code, and all that it says.
function Invoke-ServiceExe([string] $option) {
    # In 5.1 a line on stderr counts as an error, and would end this script.
    $ErrorActionPreference = 'Continue'
    try {
        $lines = & $ServiceExe $option 2>&1
        @{ ExitCode = $LASTEXITCODE; Text = (@($lines) -join "`n").Trim() }
    } catch {
        @{ ExitCode = -1; Text = Get-Reason $_ }
    }
}

# A registry key's values by name; none if there is no such key. List the names by get_Keys():
# a value may be named Keys.
function Get-Value([string] $key) {
    $values = @{}
    $item = Get-Item -LiteralPath $key -ErrorAction SilentlyContinue
    foreach ($name in $(if ($item) { $item.GetValueNames() })) {
        $values[$name] = $item.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
    }
    $values
}

function Write-Value([string] $key, [string] $name, [string] $kind, $value) {
    if (-not (Test-Path -LiteralPath $key)) { $null = New-Item -Path $key -Force }
    $null = New-ItemProperty -LiteralPath $key -Name $name -PropertyType $kind -Value $value -Force
}

function Test-Installed { (Get-Value $ServiceKey)['ImagePath'] }

function Get-State {
    $service = Get-Service -Name ArpFlush -ErrorAction SilentlyContinue
    if ($service) { "$($service.Status)".ToLowerInvariant() } else { 'absent' }
}

# ---- Programs ----

# The files that have to be copied. While the list of sums and the sizes are those that are installed, no
# program is read: a policy may run this at each boot.
function Get-DueFile {
    if (-not $Source) { Stop-Run 'Cannot tell where the programs are: give -Source' }
    $list, $sums = (Join-Path $Source 'SHA256SUMS'), [ordered] @{}
    if (-not (Test-Path -LiteralPath $list)) { Stop-Run "Cannot find ""$list""" }
    foreach ($line in Get-Content -LiteralPath $list) {
        if ($line -match '^([0-9A-Fa-f]{64}) [ *](?:.*/)?(arpflush-service\.exe|arpflush\.exe|install\.ps1)$') {
            $sums[$Matches[2]] = $Matches[1]
        }
    }
    if (-not $sums['arpflush-service.exe']) { Stop-Run "Cannot trust ""$list"": arpflush-service.exe isn't in it" }
    $sums['SHA256SUMS'] = (Get-FileHash -LiteralPath $list).Hash
    $files = foreach ($name in $sums.get_Keys()) {
        $file = @{ From = Join-Path $Source $name; To = "$Folder\$name"; Sum = $sums[$name]; IsMoved = $false }
        if (-not (Test-Path -LiteralPath $file.From)) { Stop-Run "Cannot find ""$($file.From)""" }
        $file.Existed = Test-Path -LiteralPath $file.To
        $file
    }
    $other = @($files | Where-Object {
            -not $_.Existed -or (Get-Item -LiteralPath $_.From).Length -ne (Get-Item -LiteralPath $_.To).Length })
    if ($other.Count -eq 0 -and (Get-FileHash -LiteralPath "$Folder\SHA256SUMS").Hash -eq $sums['SHA256SUMS']) { return }
    foreach ($file in $files) {
        if ((Get-FileHash -LiteralPath $file.From).Hash -ne $file.Sum) {
            Stop-Run "Cannot trust ""$($file.From)"": its SHA-256 is not the one in SHA256SUMS"
        }
    }
    $files | Where-Object { -not $_.Existed -or (Get-FileHash -LiteralPath $_.To).Hash -ne $_.Sum }
}

# Copies beside what is there, checks each copy, and only then replaces. What was there is NAME.old until all
# has worked.
function Install-Program($files) {
    # The folder for metrics comes along: the service may write into it, but not make it.
    $null = New-Item -ItemType Directory -Path "$Folder\metrics" -Force
    $owner = (Get-Acl -LiteralPath $Folder).GetOwner([Security.Principal.SecurityIdentifier]).Value
    if ($owner -notin $TrustedSids) { throw "$Folder belongs to $owner, not to Administrators" }
    foreach ($file in $files) {
        Remove-Retried "$($file.To).old"
        Invoke-Retried { Copy-Item -LiteralPath $file.From -Destination "$($file.To).new" -Force }
        if ((Invoke-Retried { Get-FileHash -LiteralPath "$($file.To).new" }).Hash -ne $file.Sum) {
            throw "the copy of $($file.From) is not what was checked before"
        }
    }
    foreach ($file in $files) {
        if ($file.Existed) {
            Move-Retried $file.To "$($file.To).old"
            $file.IsMoved = $true
        }
        Move-Retried "$($file.To).new" $file.To
    }
}

function Undo-Program($before) {
    foreach ($file in $before.Files) {
        Remove-Retried "$($file.To).new"
        if ($file.IsMoved -or -not $file.Existed) { Remove-Retried $file.To }
        if ($file.IsMoved) { Move-Retried "$($file.To).old" $file.To }
    }
    if (-not $before.HadFolder) { Remove-Retried $Folder }
}

# ---- Settings ----

# A setting as this run is to have it, else as the registry has it.
function Get-Setting([string] $name) {
    if ($Given.ContainsKey($name)) { $Given[$name] } else { (Get-Value $SettingsKey)[$name] }
}

function Get-Port {
    $port = Get-Setting 'Port'
    if ($port -is [int] -and $port -in 1..65535) { $port } else { 27735 }
}

# Lists as they are given: powershell -File passes one as a single text.
function Split-List([string[]] $texts) { @($texts -split '[,\s]+' -ne '') }

# Router keys of a parameter. What isn't one is never shown: it may be a secret key.
function Get-RouterKey([string] $parameter, [string[]] $texts) {
    foreach ($key in Split-List $texts) {
        if ($key -cmatch '^arpflush-public-[A-Za-z0-9_-]{43}$') { $key; continue }
        Stop-Run ("Cannot take -${parameter}: " + $(
                if ($key -like '*arpflush-secret-*') {
                    'this is a secret key, and hosts need the public one. Make the router a new key: this one ' +
                    'stands in the history of this console now'
                } elseif ($key -like '*arpflush-host-*') {
                    'this is a host''s key; hosts need those of routers, arpflush-public-...'
                } else { 'a router''s public key is arpflush-public- and 43 more characters' }))
    }
}

# The settings that this run is to have, as the registry holds them.
function Get-GivenSetting($bound) {
    $given = @{}
    foreach ($name in $SettingKinds.Keys) {
        if (-not $bound.ContainsKey($name) -or $name -eq 'RouterKeys') { continue }
        $given[$name] = switch ($name) {
            'Password' { [Net.NetworkCredential]::new('', $Password).Password }
            'FlushOnStart' { [int] ($FlushOnStart -eq 'true') }
            'FlushOnNetworkChange' { [int] ($FlushOnNetworkChange -eq 'true') }
            default { if ($SettingKinds[$name] -eq 'MultiString') { Split-List $bound[$name] } else { $bound[$name] } }
        }
    }
    $present = @((Get-Value $SettingsKey)['RouterKeys'] | Where-Object { $_ })
    $keys = if ($bound.ContainsKey('RouterKeys')) { @(Get-RouterKey 'RouterKeys' $RouterKeys) } else { $present }
    $keys = @($keys) + @(Get-RouterKey 'AddRouterKey' $AddRouterKey)
    $gone = @(Get-RouterKey 'RemoveRouterKey' $RemoveRouterKey)
    $keys = @($keys | Where-Object { $_ -cnotin $gone } | Select-Object -Unique)
    if ("$keys" -cne "$present") { $given['RouterKeys'] = $keys }
    $given
}

# Makes the key for SYSTEM and Administrators alone, before a password can be in it; PowerShell 7 can't make one
# together with its access rights. Those of a key that is there are for the service to judge.
function Initialize-Setting {
    $null = New-Item -Path $SettingsKey -Force
    $security = [Security.AccessControl.RegistrySecurity]::new()
    $security.SetSecurityDescriptorSddlForm('O:BAD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)', 'Access, Owner')
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey(
        $SettingsPath, 'ReadWriteSubTree', 'ChangePermissions, TakeOwnership')
    $key.SetAccessControl($security)
    $key.Dispose()
}

# Removes the settings, and the vendor's key if nothing else is in it.
function Remove-Setting {
    $vendor = Split-Path $SettingsKey
    if (Test-Path -LiteralPath $SettingsKey) { Remove-Item -LiteralPath $SettingsKey -Recurse }
    if (-not (Test-Path -LiteralPath $vendor)) { return }
    $item = Get-Item -LiteralPath $vendor
    if ($item.SubKeyCount + $item.ValueCount -eq 0) { Remove-Item -LiteralPath $vendor }
}

# The names of the given settings that are stored otherwise.
function Get-DueSetting {
    $values = Get-Value $SettingsKey
    $item = Get-Item -LiteralPath $SettingsKey -ErrorAction SilentlyContinue
    $Given.get_Keys() | Sort-Object | Where-Object {
        -not $values.ContainsKey($_) -or "$($values[$_])" -cne "$($Given[$_])" -or
        $item.GetValueKind($_) -ne $SettingKinds[$_]
    }
}

function Invoke-SettingsStep([string[]] $names) {
    $before = @{ Values = Get-Value $SettingsKey; Kinds = @{}; Existed = Test-Path -LiteralPath $SettingsKey }
    foreach ($name in $names) {
        $before.Kinds[$name] = if ($before.Values.ContainsKey($name)) { (Get-Item $SettingsKey).GetValueKind($name) }
    }
    Invoke-Step 'write settings' "HKLM\${SettingsPath}: $($names -join ', ')" {
        if (-not $before.Existed) { Initialize-Setting }
        foreach ($name in $names) { Write-Value $SettingsKey $name $SettingKinds[$name] $Given[$name] }
    } {
        param($before)
        foreach ($name in $before.Kinds.get_Keys()) {
            if ($before.Kinds[$name]) { Write-Value $SettingsKey $name $before.Kinds[$name] $before.Values[$name] }
            else { Remove-ItemProperty -LiteralPath $SettingsKey -Name $name -ErrorAction SilentlyContinue }
        }
        if (-not $before.Existed) { Remove-Setting }
    } $before
}

# ---- Service ----

# Windows only marks a service for deletion (1072) while another program has it open, and says 1060 once it
# is gone.
function Unregister-Service {
    Invoke-Sc 'delete ArpFlush' 0, 1060, 1072
    foreach ($try in 1..60) {
        $query = Start-Process $ScExe 'query ArpFlush' -Wait -PassThru -WindowStyle Hidden
        if ($query.ExitCode -eq 1060) { return }
        Start-Sleep -Milliseconds 500
    }
    throw 'the service is marked for deletion, and goes when the last program that has it open is closed: ' +
    'services.msc, Task Manager, a monitoring agent'
}

function Get-ServiceProcess {
    Get-Process -Name 'arpflush-service' -ErrorAction SilentlyContinue | Where-Object { $_.Path -eq $ServiceExe }
}

# Its file is free when the process is gone, some time after the manager says that the service has stopped.
function Stop-ArpFlush {
    Stop-Service -Name ArpFlush -NoWait
    (Get-Service -Name ArpFlush).WaitForStatus('Stopped', '00:00:40')
    Get-ServiceProcess | Wait-Process -Timeout 40
}

function Start-ArpFlush {
    try { Start-Service -Name ArpFlush } catch { throw "$(Get-Reason $_) $(Get-LastText)" }
    Wait-Listening
}

function Invoke-Reload {
    Invoke-Sc 'control ArpFlush paramchange'
    Wait-Listening
}

function Test-Listening {
    $ids = @(Get-ServiceProcess | ForEach-Object { $_.Id })
    @(Get-NetUDPEndpoint -LocalPort (Get-Port) -ErrorAction SilentlyContinue |
        Where-Object { $_.OwningProcess -in $ids }).Count -gt 0
}

function Wait-Listening {
    foreach ($try in 1..60) {
        if (Test-Listening) { return }
        Start-Sleep -Milliseconds 250
    }
    throw "it doesn't listen on UDP port $(Get-Port). $(Get-LastText)"
}

# The service's last events, newest first.
function Get-LastEvent([int] $count, [int[]] $ids) {
    $filter = @{ LogName = 'Application'; ProviderName = 'ArpFlush' }
    if ($ids) { $filter.Id = $ids }
    Get-WinEvent -FilterHashtable $filter -MaxEvents $count -ErrorAction SilentlyContinue | ForEach-Object {
        [ordered] @{
            time = $_.TimeCreated.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
            level = switch ($_.Level) { 2 { 'error' } 3 { 'warning' } default { 'information' } }
            id = $_.Id
            # The first line; advice is in the others.
            text = @("$(@($_.Properties)[0].Value)" -split '\r?\n')[0]
        }
    }
}

function Get-LastText { Get-LastEvent 1 | ForEach-Object { "Its last event: $($_.id), $($_.text)" } }

# ---- Firewall ----

function Get-Rule {
    $rule = Get-NetFirewallRule -Name ArpFlush -ErrorAction SilentlyContinue
    if ($rule) {
        @{ LocalPort = "$(($rule | Get-NetFirewallPortFilter).LocalPort)"
            RemoteAddress = [string[]] @(($rule | Get-NetFirewallAddressFilter).RemoteAddress)
        }
    }
}

# Makes the rule, in each profile, because a failover can flip the profile. One that is there is an
# administrator's: it only follows what this run changes of port and sources.
function Invoke-FirewallStep($changed) {
    if ($NoFirewallRule) { return }
    $before, $wanted, $port = (Get-Rule), @{}, "$(Get-Port)"
    $remote = @(Get-Setting 'AllowedSources' | Where-Object { $_ })
    if ($remote.Count -eq 0 -or $remote -contains 'on-link') { $remote = @('LocalSubnet') }
    elseif ($remote -match '/0$') { $remote = @('Any') }
    if (-not $before -or 'Port' -in $changed) { $wanted.LocalPort = $port }
    if (-not $before -or 'AllowedSources' -in $changed) { $wanted.RemoteAddress = [string[]] $remote }
    $what = ($wanted.get_Keys() | Sort-Object | ForEach-Object { "$_ $($wanted[$_])" }) -join ', '
    if (-not $before -and $Action -eq 'install') {
        Invoke-Step 'make firewall rule' "ArpFlush: $what" {
            $null = New-NetFirewallRule -Name ArpFlush -DisplayName ArpFlush -Direction Inbound -Action Allow `
                -Protocol UDP -Profile Any -Program $ServiceExe @wanted `
                -Description 'Requests of routers to flush the neighbor (ARP) cache'
        } { Remove-NetFirewallRule -Name ArpFlush -ErrorAction SilentlyContinue }
    } elseif ($before -and $wanted.Count -gt 0) {
        Invoke-Step 'change firewall rule' "ArpFlush: $what" { Set-NetFirewallRule -Name ArpFlush @wanted } `
        { param($before) Set-NetFirewallRule -Name ArpFlush @before } $before
    }
}

# Why requests may not get through the firewall, as rules and policy are in effect now.
function Get-FirewallProblem {
    $rules = @(Get-NetFirewallApplicationFilter -Program $ServiceExe -PolicyStore ActiveStore `
            -ErrorAction SilentlyContinue | Get-NetFirewallRule |
            Where-Object { "$($_.Direction)" -eq 'Inbound' -and "$($_.Enabled)" -eq 'True' })
    $profiles = @(Get-NetFirewallProfile -PolicyStore ActiveStore | Where-Object { "$($_.Enabled)" -eq 'True' })
    if ($profiles.Count -eq 0) { return }
    if ($rules | Where-Object { "$($_.Action)" -eq 'Block' }) { 'a firewall rule blocks the program' }
    $closed = @($profiles | Where-Object { "$($_.AllowInboundRules)" -eq 'False' })
    if ($closed) { "the firewall lets nothing in, whatever its rules say ($($closed.Name -join ', '))" }
    $allowed = @($rules | Where-Object { "$($_.Action)" -eq 'Allow' })
    if ($allowed.Count -eq 0) { return 'no enabled firewall rule lets the program receive' }
    if ($allowed | Where-Object { "$($_.PolicyStoreSourceType)" -eq 'GroupPolicy' }) { return }
    $deaf = @($profiles | Where-Object { "$($_.AllowLocalFirewallRules)" -eq 'False' })
    if ($deaf) {
        "the firewall rule has no effect: a policy has Windows ignore local rules ($($deaf.Name -join ', '))"
    }
}

# ---- Status ----

function Get-Status {
    $values, $service = (Get-Value $SettingsKey), (Get-Value $ServiceKey)
    $version, $check = (Invoke-ServiceExe '--version'), (Invoke-ServiceExe '--check')
    $auto = if ($service['DelayedAutostart']) { 'delayed-auto' } else { 'auto' }
    $status = [ordered] @{
        health = 'healthy'; problems = @(); version = $version.Text -replace '^\S+\s+(\S+)[\s\S]*$', '$1'
        state = Get-State; account = "$($service['ObjectName'])"
        startType = @('boot', 'system', $auto, 'demand', 'disabled', 'absent')[$(
                if ($service['ImagePath']) { $service['Start'] } else { 5 })]
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
        Get-FirewallProblem
        Get-LastEvent 1 10, 11 | Where-Object { $_.id -eq 11 } | ForEach-Object { "the last flush failed: $($_.text)" }
    )
    if ($status.problems.Count -gt 0) { $status.health = 'not healthy' }
    $status
}

function Show-Status {
    if (-not (Test-Installed) -and -not (Test-Path -LiteralPath $ServiceExe)) {
        $Run.ExitCode = 4
        if ($Json) { return '{"health":"not installed"}' }
        return 'ArpFlush is not installed'
    }
    $status = Get-Status
    $Run.ExitCode = if ($status.health -eq 'healthy') { 0 } else { 3 }
    if ($Json) { return ConvertTo-Json $status -Depth 4 -Compress }
    foreach ($name in $status.get_Keys()) {
        $label = $name
        foreach ($one in $status[$name]) {
            if ($one -is [Collections.IDictionary]) { $one = "$(@($one.get_Values()))" }
            '{0,-12} {1}' -f $label, $one
            $label = ''
        }
    }
}

# ---- The actions ----

function Install-ArpFlush {
    $program, $startType = (Get-Value $ServiceKey)['ImagePath'], (Get-Value $ServiceKey)['Start']
    if ($Action -eq 'upgrade' -and -not $program) {
        Stop-Run 'Cannot upgrade: ArpFlush is not installed; use install' 4
    }
    if ($program -and "$program".Trim('"') -ne $ServiceExe) {
        Stop-Run "Cannot ${Action}: the service ArpFlush is registered with another program, $program"
    }
    if (-not (Get-Setting 'RouterKeys') -and -not (Get-Setting 'Password')) {
        Stop-Run 'Cannot install without -RouterKeys: on each router, arpflush --public-key -k FILE prints its own'
    }
    $files, $changed, $isRunning = @(Get-DueFile), @(Get-DueSetting), ((Get-State) -eq 'running')
    $isLive = $isRunning -and $files.Count -eq 0
    if ($files) {
        if ($isRunning) { Invoke-Step 'stop service' 'ArpFlush' { Stop-ArpFlush } { Start-ArpFlush } }
        Invoke-Step 'copy programs' $Folder { Install-Program $files } { param($before) Undo-Program $before } `
            @{ Files = $files; HadFolder = Test-Path -LiteralPath $Folder }
    }
    if ($changed) {
        # Undone after the settings are back; the service hasn't heard of any of it, or hears of that.
        if ($isLive) { $Run.Undo.Push(@{ Name = 'reload settings'; Do = { Invoke-Reload }; Before = $null }) }
        Invoke-SettingsStep $changed
    }
    if ($Run.HasChanged) {
        $check = Invoke-ServiceExe '--check'
        if ($check.ExitCode -ne 0) { throw "The service refuses its settings: $($check.Text)" }
    }
    if ((Get-Value $EventSourceKey)['TypesSupported'] -ne 7) {
        Invoke-Step 'register event source' 'ArpFlush (Application log)' {
            Write-Value $EventSourceKey 'EventMessageFile' 'ExpandString' '%SystemRoot%\System32\EventCreate.exe'
            Write-Value $EventSourceKey 'TypesSupported' 'DWord' 7
        } { Remove-Item -LiteralPath $EventSourceKey -ErrorAction SilentlyContinue }
    }
    # Once: all of it is an administrator's to change from then on.
    if (-not $program) {
        Invoke-Step 'register service' 'ArpFlush' { foreach ($line in $Registration) { Invoke-Sc $line } } `
        { Unregister-Service }
    }
    Invoke-FirewallStep $changed
    if ($isLive -and $Run.HasChanged) { Invoke-Step 'reload settings' 'ArpFlush' { Invoke-Reload } }
    # One that an administrator has stopped for good, or disabled, an upgrade leaves alone.
    if (-not $isLive -and ($isRunning -or $startType -eq 2 -or ($Action -eq 'install' -and $startType -ne 4))) {
        Invoke-Step 'start service' 'ArpFlush' { Start-ArpFlush } { if ((Get-State) -ne 'stopped') { Stop-ArpFlush } }
    }
    $Run.Undo.Clear()
    $Run.ExitCode = 0
    if ($Run.IsDeclined) { return }
    foreach ($file in $files) {
        # The next version tries again.
        try { Remove-Retried "$($file.To).old" } catch { Write-Warning "Cannot remove $($file.To).old: $(Get-Reason $_)" }
    }
    if ($Run.HasChanged) { Show-Status } else { 'Nothing had to be changed' }
}

# What can't be undone comes when the programs, which somebody may hold, are out of the way.
function Uninstall-ArpFlush {
    if ((Get-State) -notin 'absent', 'stopped') {
        Invoke-Step 'stop service' 'ArpFlush' { Stop-ArpFlush } { Start-ArpFlush }
    }
    if (Test-Path -LiteralPath $Folder) {
        Invoke-Step 'take programs away' $Folder {
            Remove-Retried "$Folder.old"
            Move-Retried $Folder "$Folder.old"
        } { if (Test-Path -LiteralPath "$Folder.old") { Move-Retried "$Folder.old" $Folder } }
    }
    $Run.Undo.Clear()
    if (Get-NetFirewallRule -Name ArpFlush -ErrorAction SilentlyContinue) {
        Invoke-Step 'remove firewall rule' 'ArpFlush' { Remove-NetFirewallRule -Name ArpFlush }
    }
    if (Test-Path -LiteralPath $EventSourceKey) {
        Invoke-Step 'remove event source' 'ArpFlush' { Remove-Item -LiteralPath $EventSourceKey }
    }
    $vendor = Split-Path $SettingsKey
    if ($Purge -and (Test-Path -LiteralPath $vendor) -and
        ((Test-Path -LiteralPath $SettingsKey) -or -not (Get-ChildItem -LiteralPath $vendor))) {
        Invoke-Step 'remove settings' "HKLM\$SettingsPath" { Remove-Setting }
    }
    if (Test-Installed) { Invoke-Step 'delete service' 'ArpFlush' { Unregister-Service } }
    if (-not $Run.IsDeclined) { Remove-Retried "$Folder.old" }
    $Run.ExitCode = 0
    if ($Run.IsDeclined) { return }
    if (-not $Run.HasChanged) { 'Nothing had to be removed' }
    elseif (-not $Purge) { 'The settings and the host''s key are kept; -Purge removes them too' }
}

# ---- From here on it runs ----

$isFinished = $false
try {
    if (-not [Environment]::Is64BitProcess) { Stop-Run 'Cannot run here: take the 64-bit PowerShell' }
    $principal = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
    if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        Stop-Run 'Cannot do this without rights: run PowerShell as administrator'
    }
    if ($Action -in 'install', 'upgrade') { $Given = Get-GivenSetting $PSBoundParameters }
    switch ($Action) {
        'status' { Show-Status }
        'uninstall' { Uninstall-ArpFlush }
        default { Install-ArpFlush }
    }
    $isFinished = $true
} catch {
    $Host.UI.WriteErrorLine("Failed: $(Get-Reason $_)")
} finally {
    # Also after Ctrl+C.
    if (-not $isFinished) { Undo-Step }
}
if ($PSCommandPath) { exit $Run.ExitCode }
$global:LASTEXITCODE = $Run.ExitCode
