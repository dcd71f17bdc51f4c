#Requires -Version 5.1

<#
.SYNOPSIS
Installs, upgrades, removes or checks the ArpFlush service on this host.

.DESCRIPTION
For 64-bit Windows PowerShell 5.1 and PowerShell 7, run as administrator; Server Core too. Downloads nothing.

install    copies the programs to %ProgramFiles%\ArpFlush, writes the settings that are given, registers
           service, event source and firewall rule, and starts the service. A second run changes nothing.
upgrade    the same where it is installed. What an administrator has changed of the service and of the
           firewall rule stays so.
uninstall  removes service, firewall rule, event source and programs; settings and host key with -Purge.
status     what is installed, and everything that is wrong with it.

A step of install or upgrade that fails undoes what this run did: the old programs are put back and started.
An uninstall that fails goes on where it was when it is run again. -WhatIf says beforehand what would be done.

Exit codes: 0 done, or healthy; 1 a step failed (also: PowerShell refused a parameter); 2 nothing was begun,
what was given can't be used; 3 installed, but not healthy; 4 not installed.

.EXAMPLE
.\install.ps1 install -RouterKeys arpflush-public-...,arpflush-public-...

.EXAMPLE
Invoke-Command -ComputerName web1,web2 -FilePath .\install.ps1 -ArgumentList status
Action, Source and RouterKeys can be given by position; the exit code is then $LASTEXITCODE of each session.
#>
[Diagnostics.CodeAnalysis.SuppressMessage('PSReviewUnusedParameter', '', Justification = 'Read by name')]
[Diagnostics.CodeAnalysis.SuppressMessage('PSShouldProcess', '', Scope = 'Function', Target = 'Invoke-Step',
    Justification = 'It asks by the $PSCmdlet of the script')]
[Diagnostics.CodeAnalysis.SuppressMessage('PSUseShouldProcessForStateChangingFunctions', '',
    Scope = 'Function', Target = '*', Justification = 'Invoke-Step asks for all that is called in it')]
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
    # NAME.prom in windows_exporter's textfile_inputs or %ProgramFiles%\ArpFlush\metrics. An empty one: none.
    [string] $MetricsFile,
    # How much the event log is told: error, warning, info or debug.
    [ValidateSet('error', 'warning', 'info', 'debug')] [string] $LogLevel,
    # Leaves the firewall alone, where its rules come by policy or its service doesn't run.
    [switch] $NoFirewallRule,
    # With uninstall: removes the settings and the host's key too.
    [switch] $Purge,
    # With status: one JSON document instead of the table. To a file, PowerShell 5.1 breaks it: join its lines.
    [switch] $Json
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
# Functions of modules, which all commands of the firewall are, don't see it.
$Stop = @{ ErrorAction = 'Stop' }
# Invoke-Step asks; the cmdlets of a step needn't ask again.
$ConfirmPreference = 'None'
if ("$($ExecutionContext.SessionState.LanguageMode)" -ne 'FullLanguage') {
    Write-Warning 'Cannot run here: a policy lets only scripts do this that are signed or listed by hash'
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
    FlushOnStart = 'DWord'; FlushOnNetworkChange = 'DWord'; RefreshAddresses = 'MultiString'
    RefreshSeconds = 'DWord'; MetricsFile = 'String'; LogLevel = 'String'
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

# Undo: how the steps of this run are undone, the last one first, if another fails.
$Run = @{ ExitCode = 0; HasChanged = $false; IsDeclined = $false; Undo = [Collections.Stack]::new() }

# A secret key is never shown, wherever somebody has put it.
function Hide-Secret([string] $text) { $text -replace 'arpflush-secret-[\w-]+', '(a secret key)' }
function Get-Reason($problem) { Hide-Secret $problem.Exception.GetBaseException().Message }

# Does a step unless -WhatIf or the answer to -Confirm forbids it. Its undoing copes with half of the step.
function Invoke-Step([string] $name, [string] $target, [scriptblock] $Do, [scriptblock] $Undo, $With) {
    if (-not $PSCmdlet.ShouldProcess($target, $name)) { $Run.IsDeclined = $true; return }
    $Run.HasChanged = $true
    if ($Undo) { $Run.Undo.Push(@{ Name = $name; Do = $Undo; With = $With }) }
    try { $null = & $Do $With } catch { throw "Cannot ${name} ($target): $(Get-Reason $_)" }
    "done  ${name}: $target"
}

# Tries again what isn't so yet, and what fails because another program, a virus scanner as a rule, holds a
# file: access denied, sharing or lock violation, a folder with files that are deleted but still held.
function Invoke-Retried([scriptblock] $do, [int] $seconds = 10) {
    foreach ($left in (4 * $seconds)..0) {
        try { return & $do } catch {
            $problem = $_.Exception.GetBaseException()
            $mayPass = $problem -is [TimeoutException] -or ($problem.HResult -band 0xFFFF) -in 5, 32, 33, 145
            if ($left -eq 0 -or -not $mayPass) { throw }
            Start-Sleep -Milliseconds 250
        }
    }
}
# In 5.1 Get-FileHash doesn't say why it can't read a file.
function Get-Sum([string] $path) {
    $stream = Invoke-Retried { (Get-Item -LiteralPath $path).OpenRead() }
    try { (Get-FileHash -InputStream $stream).Hash } finally { $stream.Dispose() }
}
function Move-File([string] $from, [string] $to) { Invoke-Retried { Move-Item -LiteralPath $from $to } }
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

# A registry key's values by name; none without the key. One may be named Keys: list them by get_Keys().
function Get-Value([string] $path) {
    $values, $key = @{}, (Get-Item -LiteralPath $path -ErrorAction SilentlyContinue)
    foreach ($name in $(if ($key) { $key.GetValueNames() })) { $values[$name] = $key.GetValue($name) }
    $values
}

# Removes a key; the settings with the vendor's key if nothing else is in that.
function Remove-Key([string] $path) {
    if (-not (Test-Path -LiteralPath $path)) { return }
    $parent = Get-Item -LiteralPath (Split-Path $path)
    $isAlone = $path -eq $SettingsKey -and $parent.SubKeyCount + $parent.ValueCount -eq 1
    Remove-Item -LiteralPath $(if ($isAlone) { $parent.PSPath } else { $path }) -Recurse
}

# Lets only SYSTEM and Administrators at the settings. PowerShell 7 can't make a key together with its rights.
function Protect-Setting {
    $security = [Security.AccessControl.RegistrySecurity]::new()
    $security.SetSecurityDescriptorSddlForm('O:BAD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)', 'Access, Owner')
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey(
        $SettingsKey.Substring(6), 'ReadWriteSubTree', 'ChangePermissions, TakeOwnership')
    $key.SetAccessControl($security)
    $key.Dispose()
}

# Writes values, as New-ItemProperty takes them; the undoing puts back those that were there.
function Invoke-RegistryStep([hashtable[]] $values, [switch] $Protect) {
    $what = @(if ($Protect) { 'access rights' }; foreach ($value in $values) { $value.Name }) -join ', '
    $paths = @(if ($Protect) { $SettingsKey }; foreach ($value in $values) { $value.Path })
    $newKeys = @($paths | Select-Object -Unique | Where-Object { -not (Test-Path -LiteralPath $_) })
    $old = foreach ($value in $values) {
        $key = Get-Item -LiteralPath $value.Path -ErrorAction SilentlyContinue
        if (-not $key -or $value.Name -notin $key.GetValueNames()) { continue }
        @{ Path = $value.Path; Name = $value.Name; PropertyType = $key.GetValueKind($value.Name)
            Value = $key.GetValue($value.Name, $null, 'DoNotExpandEnvironmentNames') }
    }
    Invoke-Step 'write registry' $what -With @{ NewKeys = $newKeys; Values = $values; Old = $old } -Do {
        foreach ($path in $newKeys) { $null = New-Item -Path $path -Force }
        if ($Protect) { Protect-Setting }
        foreach ($value in $values) { New-ItemProperty @value -Force }
    } -Undo {
        param($was)
        foreach ($value in $was.Values) {
            Remove-ItemProperty $value.Path $value.Name -ErrorAction SilentlyContinue
        }
        foreach ($value in $was.Old) { New-ItemProperty @value }
        foreach ($path in $was.NewKeys) { Remove-Key $path }
        # It may have heard of the new ones.
        if ((Get-State) -eq 'Running') { Start-ArpFlush }
    }
}

function Get-Port($value = (Get-Value $SettingsKey)['Port']) {
    $port = $value -as [uint16]
    if ($port) { $port } else { 27735 }
}

# Lists as they are given: powershell -File passes one as a single text, and the registry may hold one so.
function Split-List([string[]] $texts) { @($texts -split '[,\s]+' -ne '') }

# The keys of a list. A secret one is not shown in the refusal.
function Split-Key([string[]] $texts) {
    $keys = @(Split-List $texts)
    if ($keys -cnotmatch '^arpflush-public-[A-Za-z0-9_-]{43}$') {
        throw 'Cannot take a key: hosts need the public one, arpflush-public- and 43 more characters. If ' +
        'this is the secret key, make the router a new one: it stands in the history of this console now'
    }
    $keys
}

# What the given parameters change of the settings, which $Settings holds from then on.
function Get-Change($bound) {
    if ($bound.get_Keys() -match 'RouterKey') {
        $gone = @(Split-Key $RemoveRouterKey)
        $keys = @(if ($bound.ContainsKey('RouterKeys')) { Split-Key $RouterKeys }
            else { Split-List $Settings['RouterKeys'] }) + @(Split-Key $AddRouterKey)
        $bound['RouterKeys'] = [string[]] @($keys | Where-Object { $_ -cnotin $gone } | Select-Object -Unique)
    }
    $change = @{}
    foreach ($name in $bound.get_Keys() | Where-Object { $SettingKinds.ContainsKey($_) }) {
        $value = $bound[$name]
        if ($null -eq $value) { throw "Cannot set ${name}: nothing is given" }
        if ($value -is [string[]]) { $value = [string[]] @(Split-List $value) }
        elseif ($value -is [securestring]) { $value = [Net.NetworkCredential]::new('', $value).Password }
        elseif ($value -in 'true', 'false') { $value = [int] ($value -eq 'true') }
        $isStored = $Settings[$name] -is $value.GetType() -and "$value" -ceq "$($Settings[$name])"
        if (-not $isStored) { $change[$name] = $Settings[$name] = $value }
    }
    $change
}

# Empty if there is no such service. With -WhatIf, ForEach-Object reads no property by its name alone.
function Get-State {
    "$(Get-Service -Name ArpFlush -ErrorAction SilentlyContinue | ForEach-Object { $_.Status })"
}

# Whether another product has a service of that name.
function Test-Foreign($service) { $service['ImagePath'] -and $service['ImagePath'] -notlike "*$ServiceExe*" }

function Test-Listening {
    $owners = Get-NetUDPEndpoint -LocalPort (Get-Port) -ErrorAction SilentlyContinue |
        ForEach-Object { Get-Process -Id $_.OwningProcess -ErrorAction SilentlyContinue }
    [bool] ($owners | Where-Object Path -EQ $ServiceExe)
}

# Starts the service, or has a running one take its settings anew, and waits until it listens.
function Start-ArpFlush {
    if ((Get-State) -ne 'Running') { Start-Service -Name ArpFlush }
    else { $null = Invoke-Sc 'control ArpFlush paramchange' }
    Invoke-Retried -seconds 15 {
        if (-not (Test-Listening)) { throw [TimeoutException] "it doesn't listen on UDP port $(Get-Port)" }
    }
}

# Its file is free when the process is gone, some time after the manager says that the service has stopped.
function Stop-ArpFlush {
    Stop-Service -Name ArpFlush -NoWait
    (Get-Service -Name ArpFlush).WaitForStatus('Stopped', '00:00:40')
    Get-Process -Name arpflush-service -ErrorAction SilentlyContinue | Where-Object Path -EQ $ServiceExe |
        Wait-Process -Timeout 40
}

# While another program has it open it is only marked for deletion (1072). Gone, it is unknown (1060).
function Unregister-ArpFlush {
    $null = Invoke-Sc 'delete ArpFlush' 0, 1060, 1072
    Invoke-Retried -seconds 30 {
        if ((Invoke-Sc 'query ArpFlush' 0, 1060) -eq 1060) { return }
        throw [TimeoutException] ('the service is marked for deletion, and goes when the last program that ' +
            'has it open is closed: services.msc, Task Manager, a monitoring agent')
    }
}

# Runs the service's program by hand: its exit code, and all that it says.
function Invoke-ServiceExe([string] $option) {
    # In 5.1 a line on stderr counts as an error, and would end this script.
    $ErrorActionPreference = 'Continue'
    try { $lines = & $ServiceExe $option 2>&1 } catch { return @{ ExitCode = -1; Text = Get-Reason $_ } }
    @{ ExitCode = $LASTEXITCODE; Text = (@($lines) -join "`n").Trim() }
}

# The service's last events, the newest first, of each the first line of its text; advice is in the others.
# By XPath, which may name a source that isn't registered.
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

# Makes the rule, in each profile, because a failover can flip the profile. One that is there is an
# administrator's, and follows what this run changes of port and sources. It comes last: nothing undoes it.
function Invoke-FirewallStep {
    $isNew, $change = (-not (Get-NetFirewallRule -Name ArpFlush -ErrorAction SilentlyContinue)), @{}
    if ($NoFirewallRule -or ($isNew -and $Action -eq 'upgrade')) { return }
    if ($isNew -or $Given.ContainsKey('Port')) { $change.LocalPort = "$(Get-Port $Settings['Port'])" }
    if ($isNew -or $Given.ContainsKey('AllowedSources')) {
        $sources = @(Split-List $Settings['AllowedSources'])
        if ($sources.Count -eq 0 -or $sources -contains 'on-link') { $sources = @('LocalSubnet') }
        $change.RemoteAddress = if ($sources -match '/0$') { 'Any' } else { $sources }
    }
    if ($change.Count -eq 0) { return }
    $what = ($change.get_Keys() | Sort-Object | ForEach-Object { "$_ $($change[$_])" }) -join ', '
    Invoke-Step "$(if ($isNew) { 'make' } else { 'change' }) firewall rule" "ArpFlush: $what" -Do {
        if (-not $isNew) { return Set-NetFirewallRule -Name ArpFlush @change @Stop }
        New-NetFirewallRule -Name ArpFlush -DisplayName ArpFlush -Direction Inbound -Action Allow `
            -Profile Any -Protocol UDP -Program $ServiceExe @change @Stop
    }
}

# Why requests may not get through the firewall, as rules and policy are in effect now.
function Get-FirewallProblem {
    $active, $port = @{ PolicyStore = 'ActiveStore'; ErrorAction = 'SilentlyContinue' }, "$(Get-Port)"
    $profiles = Get-NetFirewallProfile -PolicyStore ActiveStore @Stop | Where-Object { "$($_.Enabled)" -eq 'True' }
    if (-not $profiles) { return }
    # Of the program, which a policy may name otherwise, or of the port and any program. A range has the port.
    $programs = $ServiceExe, '%ProgramFiles%\ArpFlush\arpflush-service.exe', 'Any'
    $filters = @(Get-NetFirewallApplicationFilter -Program $programs[0, 1] @active) +
    @(Get-NetFirewallPortFilter -Protocol UDP @active | Where-Object LocalPort -Contains $port)
    $rules = $filters | Get-NetFirewallRule | Where-Object {
        "$($_.Direction) $($_.Enabled)" -eq 'Inbound True' -and
        ($_ | Get-NetFirewallApplicationFilter).Program -in $programs -and
        @(($_ | Get-NetFirewallPortFilter).LocalPort) -match "^(Any|$port|.*-.*)$"
    }
    $allowed = @($rules | Where-Object Action -EQ 'Allow')
    $closed = @($profiles | Where-Object { "$($_.AllowInboundRules)" -eq 'False' })
    $deaf = @($profiles | Where-Object { "$($_.AllowLocalFirewallRules)" -eq 'False' })
    if ($rules | Where-Object Action -EQ 'Block') { 'a firewall rule blocks the program' }
    if ($closed) { "the firewall lets nothing in, whatever its rules say ($($closed.Name -join ', '))" }
    if (-not $allowed) { "no enabled firewall rule lets the program receive on UDP port $port" }
    # Those of a policy or of a device manager count in any case.
    elseif ($deaf -and -not ($allowed | Where-Object PolicyStoreSourceType -NE 'Local')) {
        "the firewall rule has no effect: a policy has Windows ignore local rules ($($deaf.Name -join ', '))"
    }
}

function Show-Status {
    $service = Get-Value $ServiceKey
    $state = (Get-State).ToLowerInvariant() -replace '^$', 'absent'
    if ($state -eq 'absent' -and -not (Test-Path -LiteralPath $ServiceExe)) {
        $Run.ExitCode = 4
        if ($Json) { return '{"health":"not installed"}' } else { return 'ArpFlush is not installed' }
    }
    $version, $check = (Invoke-ServiceExe '--version'), (Invoke-ServiceExe '--check')
    $auto = if ($service['DelayedAutostart']) { 'delayed-auto' } else { 'auto' }
    $startTypes = @{ '' = 'absent'; '2' = $auto; '3' = 'demand'; '4' = 'disabled' }
    $startType = $startTypes["$($service['Start'])"]
    $others = foreach ($name in $Settings.get_Keys() | Where-Object { $_ -ne 'RouterKeys' } | Sort-Object) {
        "$name = $(if ($name -eq 'Password') { '(set)' } else { @($Settings[$name]) -join ', ' })"
    }
    $events = @()
    $problems = @(
        if ($state -ne 'running') { "the service is $state" }
        if (Test-Foreign $service) { "the service runs another program, $($service['ImagePath'])" }
        if ($version.ExitCode -ne 0) { "$ServiceExe doesn't run: $($version.Text)" }
        elseif ($check.ExitCode -ne 0) { $check.Text -split '\n' }
        if ($startType -notlike '*auto') { 'the service doesn''t start by itself' }
        if (-not (Test-Listening)) { "it doesn't listen on UDP port $(Get-Port)" }
        try { Get-FirewallProblem } catch { "the firewall can't be asked: $(Get-Reason $_)" }
        try {
            $events = @(Get-LastEvent 5)
            Get-LastEvent 1 ' and (EventID=10 or EventID=11)' | Where-Object { $_.id -eq 11 } |
                ForEach-Object { "the last flush failed: $($_.text)" }
        } catch { "the event log can't be asked: $(Get-Reason $_)" }
    )
    if ($problems) { $Run.ExitCode = 3 }
    $status = [ordered] @{
        health = if ($problems) { 'not healthy' } else { 'healthy' }; problems = $problems
        version = if ($version.ExitCode -eq 0) { $version.Text -replace '(?s)^\S+\s+(\S+).*$', '$1' } else { '' }
        state = $state; account = "$($service['ObjectName'])"; startType = $startType
        port = Get-Port; listening = Test-Listening; routerKeys = @(Split-List $Settings['RouterKeys'])
        hostKey = (Invoke-ServiceExe '--host-key').Text; settings = @($others); events = $events
        notShown = 'whether requests get here: on a router, run arpflush --probe with this host''s address'
    }
    if ($Json) { return Hide-Secret (ConvertTo-Json $status -Depth 4 -Compress) }
    $status.events = $status.events | ForEach-Object { "$($_.get_Values())" }
    foreach ($name in $status.get_Keys()) {
        Hide-Secret ('{0,-12} {1}' -f $name, ($status[$name] -join ("`n" + ' ' * 13)))
    }
}

# The files to be copied. None while the list of sums and the sizes are those that are installed, and no
# program is read: a policy may run this at each boot.
function Get-DueFile {
    if (-not $Source) { throw 'Cannot tell where the programs are: give -Source' }
    $list = Join-Path $Source 'SHA256SUMS'
    $lines = @(Get-Content -LiteralPath $list) -match '^\w{64} [ *](arpflush(-service)?\.exe|install\.ps1)$'
    $files = @($lines + "$(Get-Sum $list)  SHA256SUMS" | ForEach-Object {
            $sum, $name = $_ -split ' [ *]'
            @{ From = Join-Path $Source $name; To = "$Folder\$name"; Sum = $sum }
        })
    if ($ServiceExe -notin $files.To) { throw "Cannot trust ""$list"": arpflush-service.exe isn't in it" }
    $size = { Get-Item -LiteralPath $args[0] -ErrorAction SilentlyContinue | ForEach-Object { $_.Length } }
    $isOther = $files | Where-Object { (& $size $_.From) -ne (& $size $_.To) }
    if (-not $isOther -and (Get-Sum $files[-1].To) -eq $files[-1].Sum) { return }
    foreach ($file in $files | Where-Object { (Get-Sum $_.From) -ne $_.Sum }) {
        throw "Cannot trust ""$($file.From)"": its SHA-256 is not the one in SHA256SUMS"
    }
    $files
}

# Programs that run as SYSTEM are in no folder that leads elsewhere, or whose owner could replace them.
function Assert-OwnFolder {
    $item = Get-Item -LiteralPath $Folder -Force
    if ($item.Attributes -band [IO.FileAttributes]::ReparsePoint) { throw 'it is a link to another folder' }
    $owner = (Get-Acl -LiteralPath $Folder).GetOwner([Security.Principal.SecurityIdentifier]).Value
    # SYSTEM, Administrators, and who runs this.
    $trusted = 'S-1-5-18', 'S-1-5-32-544', [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    if ($owner -notin $trusted) { throw "it belongs to $owner, not to Administrators" }
}

# Copies beside what is there, and checks each copy, while the service runs on. Then the copies take the place
# of the programs, which are NAME.old until all has worked.
function Invoke-ProgramStep {
    Invoke-Step 'copy programs' $Folder -With (Test-Path -LiteralPath $Folder) -Do {
        $null = New-Item -ItemType Directory -Path $Folder -Force
        Assert-OwnFolder
        # The service may write into it, but not make it.
        $null = New-Item -ItemType Directory -Path "$Folder\metrics" -Force
        foreach ($file in $Files) {
            Remove-File "$($file.To).old"
            Invoke-Retried { Copy-Item -LiteralPath $file.From "$($file.To).new" -Force }
            if ((Get-Sum "$($file.To).new") -eq $file.Sum) { continue }
            throw "the copy of $($file.From) is not what was checked"
        }
    } -Undo {
        param($hadFolder)
        foreach ($file in $Files) { Remove-File "$($file.To).new" }
        if (-not $hadFolder) { Remove-File $Folder }
    }
    if ($State -eq 'Running') {
        Invoke-Step 'stop service' 'ArpFlush' -Do { Stop-ArpFlush } -Undo { Start-ArpFlush }
    }
    Invoke-Step 'replace programs' $Folder -Do {
        foreach ($file in $Files) {
            if (Test-Path -LiteralPath $file.To) { Move-File $file.To "$($file.To).old" }
            Move-File "$($file.To).new" $file.To
        }
    } -Undo {
        foreach ($file in $Files) {
            if (-not (Test-Path -LiteralPath "$($file.To).new")) { Remove-File $file.To }
            if (Test-Path -LiteralPath "$($file.To).old") { Move-File "$($file.To).old" $file.To }
        }
    }
}

function Install-ArpFlush {
    if ($Files) { Invoke-ProgramStep }
    $values = @(
        foreach ($name in $Given.get_Keys() | Sort-Object) {
            @{ Path = $SettingsKey; Name = $name; PropertyType = $SettingKinds[$name]; Value = $Given[$name] }
        }
        # Also where a source of that name is left over from somebody else.
        if ((Get-Value $EventSourceKey)['EventMessageFile'] -notlike '*\EventCreate.exe') {
            @{ Path = $EventSourceKey; Name = 'TypesSupported'; PropertyType = 'DWord'; Value = 7 }
            @{ Path = $EventSourceKey; Name = 'EventMessageFile'; PropertyType = 'ExpandString'
                Value = '%SystemRoot%\System32\EventCreate.exe' }
        })
    # Before a password can be in the settings. LocalSystem needs no right of its own to them.
    $protects = -not $State -or ($Given.ContainsKey('Password') -and $Service['ObjectName'] -eq 'LocalSystem')
    if ($values -or $protects) { Invoke-RegistryStep $values -Protect:$protects }
    if ($Run.HasChanged) {
        $check = Invoke-ServiceExe '--check'
        if ($check.ExitCode -ne 0) { throw "The service refuses its settings: $($check.Text)" }
    }
    # Once: all of it is an administrator's to change from then on.
    if (-not $State) {
        Invoke-Step 'register service' 'ArpFlush' -Undo { Unregister-ArpFlush } -Do {
            foreach ($line in $Registration) { Invoke-Sc $line }
        }
    }
    # A running service takes new settings without a restart, new programs not. One that an administrator has
    # stopped for good, or disabled, an upgrade leaves alone.
    $start = $Service['Start']
    if ($State -eq 'Running' -and -not $Files) {
        if ($Given.Count) { Invoke-Step 'reload settings' 'ArpFlush' -Do { Start-ArpFlush } }
    } elseif ($State -eq 'Running' -or $start -eq 2 -or ($Action -eq 'install' -and $start -ne 4)) {
        Invoke-Step 'start service' 'ArpFlush' -Do { Start-ArpFlush } -Undo {
            if ((Get-State) -ne 'Stopped') { Stop-ArpFlush }
        }
    }
    Invoke-FirewallStep
    $Run.Undo.Clear()
    if ($Run.IsDeclined) { return }
    # What is held now the next version removes.
    foreach ($old in $Files | ForEach-Object { "$($_.To).old" }) {
        try { Remove-File $old } catch { Write-Warning "Cannot remove ${old}: $(Get-Reason $_)" }
    }
    if ($Run.HasChanged) { Show-Status } else { 'Nothing had to be changed' }
}

# What can't be undone comes when the programs, which somebody may hold, are out of the way.
function Uninstall-ArpFlush {
    if ($State -notin '', 'Stopped') {
        Invoke-Step 'stop service' 'ArpFlush' -Do { Stop-ArpFlush } -Undo { Start-ArpFlush }
    }
    if (Test-Path -LiteralPath $Folder) {
        Invoke-Step 'take programs away' $Folder -Do {
            Assert-OwnFolder
            # A folder that somebody is in can't be moved; here that may be this PowerShell itself.
            if ("$(Get-Location)\" -like "$Folder\*") { Set-Location -LiteralPath (Split-Path $Folder) }
            [Environment]::CurrentDirectory = [Environment]::SystemDirectory
            Remove-File "$Folder.old"
            Move-File $Folder "$Folder.old"
        } -Undo { if (Test-Path -LiteralPath "$Folder.old") { Move-File "$Folder.old" $Folder } }
    }
    $Run.Undo.Clear()
    if (Get-NetFirewallRule -Name ArpFlush -ErrorAction SilentlyContinue) {
        Invoke-Step 'remove firewall rule' 'ArpFlush' -Do { Remove-NetFirewallRule -Name ArpFlush @Stop }
    }
    foreach ($key in @($EventSourceKey) + @(if ($Purge) { $SettingsKey })) {
        if (Test-Path -LiteralPath $key) { Invoke-Step 'remove registry key' $key -Do { Remove-Key $key } }
    }
    if ($State) { Invoke-Step 'delete service' 'ArpFlush' -Do { Unregister-ArpFlush } }
    if ($Run.IsDeclined) { return }
    Remove-File "$Folder.old"
    if (-not $Run.HasChanged) { 'Nothing had to be removed' }
    elseif (-not $Purge) { 'The settings and the host''s key are kept; -Purge removes them too' }
}

try {
    if (-not [Environment]::Is64BitProcess) { throw 'Cannot run here: take the 64-bit PowerShell' }
    # Not by #Requires, which Invoke-Command -FilePath overlooks, and which sets no exit code.
    $me = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
    if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw 'Cannot do this without rights: run PowerShell as administrator'
    }
    $State, $Service, $Settings = (Get-State), (Get-Value $ServiceKey), (Get-Value $SettingsKey)
    if ($Action -eq 'status') { Show-Status }
    elseif (Test-Foreign $Service) {
        throw "Cannot ${Action}: the service ArpFlush runs another program, $($Service['ImagePath'])"
    } elseif ($Action -eq 'uninstall') { Uninstall-ArpFlush }
    elseif ($Action -eq 'upgrade' -and -not $State) {
        $Run.ExitCode = 4
        throw 'Cannot upgrade: ArpFlush is not installed; use install'
    } else {
        $Given = Get-Change $PSBoundParameters
        if (-not $Settings['RouterKeys'] -and -not $Settings['Password']) {
            throw 'Cannot install without -RouterKeys: routers print theirs by arpflush --public-key -k FILE'
        }
        $Files = @(Get-DueFile)
        Install-ArpFlush
    }
} catch {
    if ($Run.ExitCode -ne 4) { $Run.ExitCode = if ($Run.HasChanged) { 1 } else { 2 } }
    $Host.UI.WriteErrorLine("Failed: $(Get-Reason $_)")
    $last = if ($Run.HasChanged) { try { Get-LastEvent 1 } catch { @{ text = Get-Reason $_ } } }
    if ($last) { $Host.UI.WriteErrorLine("  the service's last event: $($last.get_Values())") }
} finally {
    # Also after Ctrl+C. Nothing is left there when all has worked.
    foreach ($step in $Run.Undo) {
        $said = "undone: $($step.Name)"
        try { $null = & $step.Do $step.With } catch { $said = "NOT ${said}: $(Get-Reason $_)" }
        $Host.UI.WriteErrorLine("  $said")
    }
}
if ($PSCommandPath) { exit $Run.ExitCode }
# As the block of Invoke-Command -FilePath it has an exit code by a program that it runs.
& "$([Environment]::SystemDirectory)\cmd.exe" /c "exit $($Run.ExitCode)"
