#Requires -Version 5.1

<#
.SYNOPSIS
Installs, upgrades, removes or checks the ArpFlush service on this host.

.DESCRIPTION
Works in Windows PowerShell 5.1 and PowerShell 7, on Server Core too. It needs no module and
downloads nothing.

install    copies the programs to %ProgramFiles%\ArpFlush, writes the given settings, makes or takes
           the key, registers event source, service and firewall rule, starts the service and waits
           until it answers. A second run changes nothing and says so.
upgrade    the same for a host that has it: settings and key stay. If the new version doesn't start
           and answer, the old one is put back and started.
uninstall  removes service, firewall rule, event source and programs; settings and key only with
           -Purge.
status     shows the installation and asks the service over loopback whether it answers.

A step that fails undoes what this run did, in reverse order, and says which step it was, the
command, its exit code and what to do. Only one thing is not undone: access rights of
%ProgramData%\ArpFlush, and the owner of the settings, that were too wide stay narrow.

Exit codes: 0 done or healthy; 1 a step failed and was undone (also: PowerShell refused a
parameter); 2 nothing was begun, what was given can't be used; 3 installed, but not healthy;
4 not installed.

.PARAMETER Action
install, upgrade, uninstall or status. Without it: status.

.PARAMETER Source
The folder with arpflush-service.exe, arpflush.exe and SHA256SUMS. Without it: the folder of this
script. Must be given where the script has no folder, as with Invoke-Command -FilePath.

.PARAMETER KeyFile
A key file of the routers, to be taken over. Its content replaces this host's key.

.PARAMETER GenerateKey
Makes a new key even if the host has one. Without -KeyFile and -GenerateKey the host's key stays,
and one is made if there is none.

.PARAMETER Port
UDP port of requests, 1 to 65535. The firewall rule follows it.

.PARAMETER Listen
Address to listen on.

.PARAMETER Password
Password of the 2009 datagram, as a SecureString. An empty one turns that datagram off again.

.PARAMETER HoldDownSeconds
At most three flushes start in any period of this length.

.PARAMETER ClockToleranceSeconds
How far a request's clock may be from this host's.

.PARAMETER AllowedSources
Whose requests are looked at: on-link, or addresses and networks. The firewall rule follows it.

.PARAMETER FlushOnStart
true or false: flush when the service starts.

.PARAMETER RefreshAddresses
Addresses that are resolved anew regularly: none, gateway, or addresses.

.PARAMETER RefreshSeconds
How often RefreshAddresses are resolved.

.PARAMETER MetricsFile
File for the textfile collectors of Prometheus' exporters: NAME.prom in
C:\ProgramData\ArpFlush\metrics, which is made, or in windows_exporter's own folder,
C:\Program Files\windows_exporter\textfile_inputs. An empty one: none.

.PARAMETER LogLevel
How much the event log is told: error, warning, info or debug.

.PARAMETER Purge
With uninstall: removes settings and key too.

.PARAMETER Json
Prints one JSON document, the status at the end, and no other lines.

.EXAMPLE
.\install.ps1 install

Installs from the folder of the script, makes a key and says how to carry it to the routers.

.EXAMPLE
.\install.ps1 install -KeyFile D:\key -AllowedSources 192.0.2.0/24,2001:db8::/64 -Verbose

Takes the routers' key, lets two networks in, and shows each command line as it is run.

.EXAMPLE
.\install.ps1 upgrade -WhatIf

Shows what an upgrade would do, step by step, and does nothing.

.EXAMPLE
.\install.ps1 status -Json

The status for a program. The exit code tells the same in short.

.EXAMPLE
Invoke-Command -ComputerName web1,web2 -FilePath .\install.ps1 -ArgumentList status

Asks two hosts. Action, Source and KeyFile can be given by position, which is what -ArgumentList has.
The exit code is then in $LASTEXITCODE of each host's session.
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Position = 0)]
    [ValidateSet('install', 'upgrade', 'uninstall', 'status')]
    [string] $Action = 'status',
    [Parameter(Position = 1)] [string] $Source,
    [Parameter(Position = 2)] [string] $KeyFile,
    [switch] $GenerateKey,
    [ValidateRange(1, 65535)] [int] $Port,
    [string] $Listen,
    [securestring] $Password,
    [int] $HoldDownSeconds,
    [int] $ClockToleranceSeconds,
    [string[]] $AllowedSources,
    [ValidateSet('true', 'false')] [string] $FlushOnStart,
    [string[]] $RefreshAddresses,
    [int] $RefreshSeconds,
    [string] $MetricsFile,
    [ValidateSet('error', 'warning', 'info', 'debug')] [string] $LogLevel,
    [switch] $Purge,
    [switch] $Json
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# ---- What is where, and what is wanted ----

# System programs by absolute path: nobody's PATH decides what an administrator runs.
$System32 = [Environment]::SystemDirectory
$ScExe = "$System32\sc.exe"
$NetshExe = "$System32\netsh.exe"
$IcaclsExe = "$System32\icacls.exe"
$WevtutilExe = "$System32\wevtutil.exe"

$ServiceName = 'ArpFlush'
$ProgramFolder = [Environment]::GetFolderPath('ProgramFiles') + '\ArpFlush'
$ServiceExe = "$ProgramFolder\arpflush-service.exe"
$SenderExe = "$ProgramFolder\arpflush.exe"
$DataFolder = [Environment]::GetFolderPath('CommonApplicationData') + '\ArpFlush'
$HostKeyFile = "$DataFolder\key"

# Below HKEY_LOCAL_MACHINE, in the 64-bit view, which the service reads.
$Machine = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
$VendorKey = 'SOFTWARE\NPSL'
$SettingsKey = "$VendorKey\ArpFlush"
$ServiceKey = "SYSTEM\CurrentControlSet\Services\$ServiceName"
$EventSourceKey = "SYSTEM\CurrentControlSet\Services\EventLog\Application\$ServiceName"
$FirewallKey = 'SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules'

# Accounts by SID: their names are in Windows' language. Whoever runs this is an administrator.
$SystemSid = 'S-1-5-18'
$AdministratorsSid = 'S-1-5-32-544'
$Identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$TrustedSids = $SystemSid, $AdministratorsSid, $Identity.User.Value
$SettingsAccess = 'O:BAD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)'

# The service's settings: how the registry holds them, and what is in effect where none is set.
$KnownSettings = @{
    Port = @{ Kind = 'DWord'; Default = 27735 }
    Listen = @{ Kind = 'String'; Default = '0.0.0.0' }
    KeyFile = @{ Kind = 'String'; Default = 'C:\ProgramData\ArpFlush\key' }
    Password = @{ Kind = 'String'; Default = '' }
    HoldDownSeconds = @{ Kind = 'DWord'; Default = 10 }
    ClockToleranceSeconds = @{ Kind = 'DWord'; Default = 60 }
    AllowedSources = @{ Kind = 'MultiString'; Default = 'on-link' }
    FlushOnStart = @{ Kind = 'DWord'; Default = 1 }
    RefreshAddresses = @{ Kind = 'MultiString'; Default = 'none' }
    RefreshSeconds = @{ Kind = 'DWord'; Default = 30 }
    MetricsFile = @{ Kind = 'String'; Default = '' }
    LogLevel = @{ Kind = 'String'; Default = 'info' }
    LogFormat = @{ Kind = 'String'; Default = 'text' }
}

# Windows' own message file for events that are one text each.
$WantedEventSource = @{
    EventMessageFile = @{ Kind = 'ExpandString'; Value = '%SystemRoot%\System32\EventCreate.exe' }
    TypesSupported = @{ Kind = 'DWord'; Value = 7 }
}

# As sc.exe is told it. Privileges: LocalSystem flushes by being an administrator; of its privileges
# only the one that every process has is left. Failure: restart after 5 s, 5 s, 60 s, also when the
# service ends with an error instead of crashing.
$WantedService = [ordered] @{
    BinaryPath = """$ServiceExe"""
    Start = 'auto'
    Account = 'LocalSystem'
    DisplayName = 'ArpFlush'
    DependsOn = 'Tcpip'
    Description = 'Flushes the neighbor (ARP) cache when a router asks for it after a failover.'
    FailureReset = '86400'
    FailureActions = 'restart/5000/restart/5000/restart/60000'
    FailureFlag = '1'
    SidType = 'unrestricted'
    Privileges = 'SeChangeNotifyPrivilege'
}

# What this run did: steps to undo, paths to remove when all went well, steps that were declined.
$Run = @{
    Undo = [Collections.Stack]::new(); CleanUp = @(); Declined = @(); NewKey = ''; IsMarked = $false
}

# ---- Tools: saying things ----

# To the script's own output wherever it is called: a function's output would be its result.
function Write-Line([string] $text) {
    if (-not $Json) { $PSCmdlet.WriteObject($text) }
}

function Write-ErrorLine([string] $text) {
    $Host.UI.WriteErrorLine($text)
}

# An error that ends the script with exit code 2 (or another): nothing has been changed.
function Stop-BeforeChange([string] $text, [int] $exitCode = 2) {
    $problem = [InvalidOperationException]::new($text)
    $problem.Data['ExitCode'] = $exitCode
    throw $problem
}

# An error without the wrapping that PowerShell puts around errors of .NET methods.
function Get-Reason([Exception] $problem) {
    while ($problem -is [Management.Automation.RuntimeException] -and $problem.InnerException) {
        $problem = $problem.InnerException
    }
    $problem
}

# ---- Tools: running programs ----

# One command line from arguments, as CommandLineToArgvW takes it apart again: backslashes count
# only before a quote. Done here because "&" quotes differently in 5.1 and 7.3.
function ConvertTo-CommandLine([string[]] $arguments) {
    $quoted = foreach ($argument in $arguments) {
        if ($argument -ne '' -and $argument -notmatch '[\s"]') { $argument }
        else { '"' + (($argument -replace '(\\*)"', '$1$1\"') -replace '(\\+)$', '$1$1') + '"' }
    }
    $quoted -join ' '
}

# Runs a program to its end and gives its exit code and output. A code that isn't accepted is an
# error, so no caller can forget to look. No secret may be among the arguments.
function Invoke-Program([string] $path, [string[]] $arguments, [int[]] $accept = @(0)) {
    $start = [Diagnostics.ProcessStartInfo]::new($path, (ConvertTo-CommandLine $arguments))
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    if ($path.StartsWith($ProgramFolder)) {
        $start.StandardOutputEncoding = [Text.Encoding]::UTF8
        $start.StandardErrorEncoding = [Text.Encoding]::UTF8
    }
    $line = "$(ConvertTo-CommandLine $path) $($start.Arguments)"
    $PSCmdlet.WriteVerbose($line)
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Close()
    # Both at once: a program that fills the one while we wait for the other would never end.
    $errorText = $process.StandardError.ReadToEndAsync()
    $output = $process.StandardOutput.ReadToEnd()
    $process.WaitForExit()
    if ($accept -notcontains $process.ExitCode) {
        $name = [IO.Path]::GetFileName($path)
        $problem = [InvalidOperationException]::new("$name ended with exit code $($process.ExitCode)")
        $problem.Data['Command'] = $line
        $problem.Data['Output'] = ($errorText.Result + $output).Trim()
        throw $problem
    }
    @{ ExitCode = $process.ExitCode; Output = $output }
}

# ---- Tools: steps that can be undone ----

# A step does nothing if IsSo; else it does Do, unless -WhatIf or the answer to -Confirm forbids it.
# It can be undone as soon as it begins, so Undo, which gets what Before holds, copes with half of
# Do. A step without Undo is a check; there is nothing to check when a step was declined.
function Invoke-Step([hashtable] $step) {
    $title = "$($step.Name): $($step.Target)"
    if ($step['IsSo']) { return Write-Line "already so $title" }
    if ($step.ContainsKey('Undo')) {
        if (-not $PSCmdlet.ShouldProcess($step.Target, $step.Name)) {
            $Run.Declined += $step.Name
            return
        }
        $Run.Undo.Push($step)
    } elseif ($Run.Declined.Count -gt 0) { return }
    try {
        & $step.Do
    } catch {
        $problem = Get-Reason $_.Exception
        $problem.Data['Step'] = $step
        throw $problem
    }
    Write-Line "$(if ($step.ContainsKey('Undo')) { 'done      ' } else { 'ok        ' }) $title"
}

# Undoes every step of this run, the last one first. One that can't be undone doesn't keep the
# others from it.
function Undo-Steps {
    while ($Run.Undo.Count -gt 0) {
        $step = $Run.Undo.Pop()
        try {
            & $step.Undo $step['Before']
            Write-ErrorLine "  undone     $($step.Name): $($step.Target)"
        } catch {
            $reason = (Get-Reason $_.Exception).Message
            Write-ErrorLine "  NOT undone $($step.Name): $($step.Target): $reason"
        }
    }
}

# All has worked: clears away what was kept for undoing. A failure of that is only told.
function Complete-Steps {
    $Run.Undo.Clear()
    foreach ($path in $Run.CleanUp) {
        try {
            Remove-Path $path
        } catch {
            $PSCmdlet.WriteWarning("Cannot remove ""$path"": $((Get-Reason $_.Exception).Message)")
        }
    }
}

# ---- Tools: files ----
# .NET instead of cmdlets: for .NET, brackets in a path are no wildcards.

# Removes a file or a folder with what is in it. A program that has just ended may hold its file for
# a moment longer.
function Remove-Path([string] $path) {
    for ($try = 1; ; $try++) {
        try {
            if ([IO.Directory]::Exists($path)) { [IO.Directory]::Delete($path, $true) }
            if ([IO.File]::Exists($path)) { [IO.File]::Delete($path) }
            return
        } catch {
            if ($try -eq 20) { throw }
            [Threading.Thread]::Sleep(250)
        }
    }
}

function Remove-EmptyFolder([string] $path) {
    if ([IO.Directory]::Exists($path)) { [IO.Directory]::Delete($path) }
}

function Get-Sha256([string] $path) {
    $hash = [Security.Cryptography.SHA256]::Create().ComputeHash([IO.File]::ReadAllBytes($path))
    [BitConverter]::ToString($hash).Replace('-', '')
}

# What is replaced or removed, a file or a folder, is moved to PATH.old and stays there until all has
# worked; Windows allows it for a running program too. What shall take its place waits as PATH.new.
function New-Aside([string] $path) {
    @{ Path = $path; Existed = [IO.File]::Exists($path) -or [IO.Directory]::Exists($path); Moved = $false }
}

function Move-Aside([hashtable] $aside) {
    if (-not $aside.Existed) { return }
    Remove-Path "$($aside.Path).old"
    [IO.Directory]::Move($aside.Path, "$($aside.Path).old")
    $aside.Moved = $true
    $Run.CleanUp += "$($aside.Path).old"
}

function Undo-Aside([hashtable] $aside) {
    Remove-Path "$($aside.Path).new"
    if ($aside.Moved -or -not $aside.Existed) { Remove-Path $aside.Path }
    if ($aside.Moved) { [IO.Directory]::Move("$($aside.Path).old", $aside.Path) }
}

# ---- Tools: access rights ----

# Whether nobody but trusted accounts has any right: of a file, a folder or a registry key.
function Test-OnlyTrusted($security) {
    $rules = $security.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])
    $others = $rules | Where-Object {
        $_.AccessControlType -eq 'Allow' -and $TrustedSids -notcontains $_.IdentityReference.Value
    }
    @($others).Count -eq 0
}

function Test-Protected([string] $path) {
    Test-OnlyTrusted ([Security.AccessControl.FileSecurity]::new($path, 'Access'))
}

# Takes every right away, given or inherited, and lets SYSTEM and Administrators in. Rights is F for a
# file; a folder hands them on to what is made in it.
function Protect-Path([string] $path, [string] $rights) {
    [void] (Invoke-Program $IcaclsExe @($path, '/setowner', "*$AdministratorsSid", '/Q'))
    [void] (Invoke-Program $IcaclsExe @($path, '/reset', '/Q'))
    [void] (Invoke-Program $IcaclsExe @(
            $path, '/inheritance:r', '/grant:r',
            "*${SystemSid}:$rights", "*${AdministratorsSid}:$rights", '/Q'))
}

# Everybody may make folders in %ProgramData%. One that somebody else made or turned into a link is
# not taken over: its owner could give himself rights in it again.
function Assert-Own([string] $path) {
    if (-not ([IO.File]::Exists($path) -or [IO.Directory]::Exists($path))) { return }
    if ([IO.File]::GetAttributes($path) -band [IO.FileAttributes]::ReparsePoint) {
        Stop-BeforeChange "Cannot use ""$path"": it is a link"
    }
    $security = [Security.AccessControl.FileSecurity]::new($path, 'Owner')
    $owner = $security.GetOwner([Security.Principal.SecurityIdentifier]).Value
    if ($TrustedSids -notcontains $owner) {
        Stop-BeforeChange "Cannot use ""$path"": its owner is $owner, not Administrators"
    }
}

# ---- Tools: registry ----

# A key's values by name, each with Kind and Value as it is stored; $null if there is no such key.
# List the names by get_Keys(): a value may be named "Keys".
function Get-RegistryValues([string] $path) {
    $key = $Machine.OpenSubKey($path)
    if ($null -eq $key) { return $null }
    $values = [Collections.SortedList]::new([StringComparer]::OrdinalIgnoreCase)
    foreach ($name in $key.GetValueNames()) {
        $value = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
        $values[$name] = @{ Kind = $key.GetValueKind($name); Value = $value }
    }
    $key.Dispose()
    $values
}

# Makes a key hold exactly these values; $null takes the key away. Its access rights, as SDDL, are
# set before a secret can be among the values.
function Set-RegistryValues([string] $path, $values, [string] $access = '') {
    if ($null -eq $values) { return $Machine.DeleteSubKeyTree($path, $false) }
    $Machine.CreateSubKey($path).Dispose()
    if ($access -ne '') {
        $security = [Security.AccessControl.RegistrySecurity]::new()
        $security.SetSecurityDescriptorSddlForm($access, 'Access, Owner')
        $key = $Machine.OpenSubKey($path, 'ReadWriteSubTree', 'ChangePermissions, TakeOwnership')
        $key.SetAccessControl($security)
        $key.Dispose()
    }
    $key = $Machine.OpenSubKey($path, $true)
    foreach ($name in $key.GetValueNames()) {
        if (-not $values.ContainsKey($name)) { $key.DeleteValue($name) }
    }
    foreach ($name in $values.get_Keys()) {
        $key.SetValue($name, $values[$name].Value, $values[$name].Kind)
    }
    $key.Dispose()
}

# Whether all that is wanted is there: values of a key, or texts. $null is nothing.
function Test-Same($present, $wanted) {
    if ($null -eq $present -or $null -eq $wanted) { return $null -eq $present -and $null -eq $wanted }
    foreach ($name in $wanted.Keys) {
        $texts = foreach ($one in $present[$name], $wanted[$name]) {
            if ($one -is [hashtable]) { "$($one.Kind) $(@($one.Value) -join "`0")" } else { "$one" }
        }
        if ($texts[0] -cne $texts[1]) { return $false }
    }
    $true
}

# ---- Step: programs ----

# The files of Source that are installed, each with its sum from SHA256SUMS, which it must have.
function Get-PackageFiles {
    if ($SourceFolder -eq '') { Stop-BeforeChange 'Cannot tell where the programs are: give -Source' }
    $list = "$SourceFolder\SHA256SUMS"
    if (-not [IO.File]::Exists($list)) { Stop-BeforeChange "Cannot find ""$list""" }
    $sums = @{}
    foreach ($line in [IO.File]::ReadAllLines($list)) {
        if ($line -match '^([0-9A-Fa-f]{64}) [ *](?:.*/)?([^/]+)$') { $sums[$Matches[2]] = $Matches[1] }
    }
    foreach ($name in 'arpflush-service.exe', 'arpflush.exe', 'install.ps1') {
        # The programs must be listed; the script itself is installed if it is.
        if (-not $sums.ContainsKey($name)) {
            if ($name -eq 'install.ps1') { continue }
            Stop-BeforeChange "Cannot trust ""$name"": ""$list"" doesn't list it"
        }
        $from, $to, $sum = "$SourceFolder\$name", "$ProgramFolder\$name", $sums[$name]
        if (-not [IO.File]::Exists($from)) { Stop-BeforeChange "Cannot find ""$from""" }
        if ((Get-Sha256 $from) -ne $sum) {
            Stop-BeforeChange "Cannot trust ""$from"": its SHA-256 is not the one in SHA256SUMS"
        }
        $isInstalled = [IO.File]::Exists($to) -and (Get-Sha256 $to) -eq $sum
        @{ From = $from; To = $to; Sum = $sum; IsInstalled = $isInstalled }
    }
}

# Copies what is different beside what is there, and replaces it when every copy has its sum.
function Step-Programs([hashtable[]] $different) {
    $before = @{
        HadFolder = [IO.Directory]::Exists($ProgramFolder)
        Files = @(foreach ($file in $different) { New-Aside $file.To })
    }
    Invoke-Step @{
        Name = 'Copy programs'; Target = $ProgramFolder; Before = $before
        IsSo = $different.Count -eq 0
        Do = {
            [void] [IO.Directory]::CreateDirectory($ProgramFolder)
            foreach ($file in $different) {
                [IO.File]::Copy($file.From, "$($file.To).new", $true)
                if ((Get-Sha256 "$($file.To).new") -ne $file.Sum) {
                    throw "the copy of ""$($file.From)"" is not what was checked before"
                }
            }
            foreach ($file in $before.Files) {
                Move-Aside $file
                [IO.File]::Move("$($file.Path).new", $file.Path)
            }
        }
        Undo = {
            param($before)
            foreach ($file in $before.Files) { Undo-Aside $file }
            if (-not $before.HadFolder) { Remove-EmptyFolder $ProgramFolder }
        }
        Advice = 'Check that the disk has room and no other program holds the files.'
    }
}

function Step-FolderRemoval([string] $path) {
    $folder = New-Aside $path
    Invoke-Step @{
        Name = 'Remove folder'; Target = $path; Before = $folder
        IsSo = -not $folder.Existed
        Do = { Move-Aside $folder }
        Undo = { param($folder) Undo-Aside $folder }
        Advice = 'Close programs and consoles that are in the folder.'
    }
}

# ---- Step: settings ----

# The settings given to this script as the registry holds them. Their limits are the service's own:
# its --check knows them.
function Get-GivenSettings([hashtable] $bound) {
    $given = @{}
    foreach ($name in $KnownSettings.Keys) {
        # -KeyFile is where a key comes from, the setting of that name where it is kept.
        if (-not $bound.ContainsKey($name) -or $name -eq 'KeyFile') { continue }
        $kind, $value = $KnownSettings[$name].Kind, $bound[$name]
        if ($name -eq 'Password') { $value = [Net.NetworkCredential]::new('', $value).Password }
        if ($name -eq 'FlushOnStart') { $value = [int] ($value -eq 'true') }
        # powershell -File passes a list as one text.
        if ($kind -eq 'MultiString') { $value = [string[]] @($value -split '[,\s]+' -ne '') }
        $given[$name] = @{ Kind = $kind; Value = $value }
    }
    # The service looks in the usual place by itself; %ProgramData% can be elsewhere.
    if ($HostKeyFile -ne $KnownSettings.KeyFile.Default) {
        $given['KeyFile'] = @{ Kind = 'String'; Value = $HostKeyFile }
    }
    $given
}

# A setting's value: given to this run, else in the registry, else what the service has by default.
function Get-Setting([string] $name) {
    if ($Given.ContainsKey($name)) { return $Given[$name].Value }
    $stored = Get-RegistryValues $SettingsKey
    if ($null -ne $stored -and $stored.ContainsKey($name)) { return $stored[$name].Value }
    $KnownSettings[$name].Default
}

function Get-SettingsAccess {
    $key = $Machine.OpenSubKey($SettingsKey)
    if ($null -eq $key) { return $null }
    $key.GetAccessControl('Access, Owner')
    $key.Dispose()
}

# Whether the settings are as given, and protected as the service wants it for a password.
function Test-Settings {
    if (-not (Test-Same (Get-RegistryValues $SettingsKey) $Given)) { return $false }
    $access = Get-SettingsAccess
    $owner = $access.GetOwner([Security.Principal.SecurityIdentifier]).Value
    @($SystemSid, $AdministratorsSid) -contains $owner -and (Test-OnlyTrusted $access)
}

# Sets values and access rights; without values the vendor's key goes too, if nothing is in it.
function Set-Settings([hashtable] $state) {
    Set-RegistryValues $SettingsKey $state.Values $state.Access
    $vendor = $Machine.OpenSubKey($VendorKey)
    if ($null -eq $vendor) { return }
    $isEmpty = $vendor.SubKeyCount + $vendor.ValueCount -eq 0
    $vendor.Dispose()
    if ($isEmpty) { $Machine.DeleteSubKey($VendorKey) }
}

# Adds what is given to the settings, or takes all away.
function Step-Settings([switch] $remove) {
    $access = Get-SettingsAccess
    $before = @{ Values = Get-RegistryValues $SettingsKey; Access = '' }
    if ($null -ne $access) { $before.Access = $access.GetSecurityDescriptorSddlForm('Access') }
    Invoke-Step @{
        Name = if ($remove) { 'Remove settings' } else { 'Write settings' }
        Target = "HKLM\$SettingsKey"; Before = $before
        IsSo = if ($remove) { $null -eq $before.Values } else { Test-Settings }
        Do = {
            if ($remove) { return Set-Settings @{ Values = $null; Access = '' } }
            $values = if ($null -eq $before.Values) { @{} } else { $before.Values.Clone() }
            foreach ($name in $Given.Keys) { $values[$name] = $Given[$name] }
            Set-Settings @{ Values = $values; Access = $SettingsAccess }
        }
        Undo = { param($before) Set-Settings $before }
        Advice = 'Check that Administrators have full control of the key.'
    }
}

# ---- Step: key ----

function Get-KeyPath {
    [Environment]::ExpandEnvironmentVariables((Get-Setting 'KeyFile'))
}

# The ids of a key file's keys, the first one is signed with. As lib/wire/keyring.ts has it: a key a
# line, 32 bytes in base64; the id is the start of a hash and says nothing of use about the key.
function Get-KeyIds([string] $text) {
    $sha256 = [Security.Cryptography.SHA256]::Create()
    $prefix = [Text.Encoding]::ASCII.GetBytes('arpflush v1 key id')
    $number = 0
    foreach ($line in $text.TrimStart([char] 0xFEFF) -split '\r\n|\n|\r') {
        $number++
        $content = ($line -replace '#.*$', '').Trim()
        if ($content -eq '') { continue }
        if ($content -notmatch '^[A-Za-z0-9+/]{43}=$') {
            throw "line $number is not a key (32 bytes in base64)"
        }
        $hash = $sha256.ComputeHash([byte[]] ($prefix + [Convert]::FromBase64String($content)))
        [BitConverter]::ToString($hash, 0, 4).Replace('-', '').ToLowerInvariant()
    }
}

# The text of -KeyFile, which must hold a key.
function Read-GivenKey([string] $path) {
    try {
        $text = [IO.File]::ReadAllText($path)
        if (@(Get-KeyIds $text).Count -eq 0) { throw 'it holds no key' }
    } catch {
        Stop-BeforeChange "Cannot read key file ""$path"": $((Get-Reason $_.Exception).Message)"
    }
    $text
}

# The folder of the key: protected before the key is in it.
function Step-DataFolder {
    $hadFolder = [IO.Directory]::Exists($DataFolder)
    Invoke-Step @{
        Name = 'Protect folder'; Target = $DataFolder; Before = $hadFolder
        IsSo = $hadFolder -and (Test-Protected $DataFolder)
        Do = {
            [void] [IO.Directory]::CreateDirectory($DataFolder)
            Protect-Path $DataFolder '(OI)(CI)F'
        }
        # Rights that were too wide stay narrow.
        Undo = { param($hadFolder) if (-not $hadFolder) { Remove-EmptyFolder $DataFolder } }
        Advice = 'Check that the volume has access control (NTFS).'
    }
}

# A folder of ours for metrics; the service may write there, but not make it.
function Step-MetricsFolder {
    $folder = "$DataFolder\metrics"
    $file = (Get-Setting 'MetricsFile').Replace('/', '\')
    if (-not $file.StartsWith("$folder\", 'OrdinalIgnoreCase')) { return }
    Invoke-Step @{
        Name = 'Make metrics folder'; Target = $folder; Before = $folder
        IsSo = [IO.Directory]::Exists($folder)
        Do = { [void] [IO.Directory]::CreateDirectory($folder) }
        Undo = { param($folder) Remove-Path $folder }
        Advice = 'Check that the path is free and the disk writable.'
    }
}

# Whether the key that is there is the one that is wanted.
function Test-Key {
    $path = Get-KeyPath
    [IO.File]::Exists($path) -and -not $GenerateKey -and
    ($null -eq $GivenKey -or [IO.File]::ReadAllText($path) -ceq $GivenKey)
}

# Puts the key where the service looks: the one that is there, the one given, or a new one.
function Step-Key {
    $path, $isKept = (Get-KeyPath), (Test-Key)
    $isNew = -not $isKept -and $null -eq $GivenKey
    $file = New-Aside $path
    Invoke-Step @{
        Name = if ($isKept) { 'Protect key' } elseif ($isNew) { 'Make key' } else { 'Take key' }
        Target = $path; Before = $file
        IsSo = $isKept -and (Test-Protected $path)
        Do = {
            # Empty, then protected, then filled: the secret is never readable for others.
            Remove-Path "$path.new"
            [IO.File]::Open("$path.new", 'CreateNew').Dispose()
            Protect-Path "$path.new" 'F'
            $text = if ($isKept) { [IO.File]::ReadAllText($path) }
            elseif ($isNew) { (Invoke-Program $SenderExe @('--keygen')).Output }
            else { $GivenKey }
            [IO.File]::WriteAllText("$path.new", $text, [Text.UTF8Encoding]::new($false))
            Move-Aside $file
            [IO.File]::Move("$path.new", $path)
            if ($isNew) { $Run.NewKey = $path }
        }
        Undo = { param($file) Undo-Aside $file }
        Advice = 'Check the folder of the key, and that it is on a volume with access control (NTFS).'
    }
}

# The service's own judgement of settings and key, before it is started.
function Step-SettingsCheck {
    Invoke-Step @{
        Name = 'Check settings'; Target = 'as the service reads them'
        Do = { [void] (Invoke-Program $ServiceExe @('--check')) }
        Advice = 'Correct the settings that are named; each has its limits in settings.md.'
    }
}

# ---- Step: event source ----

function Step-EventSource($wanted) {
    $before = Get-RegistryValues $EventSourceKey
    Invoke-Step @{
        Name = if ($wanted) { 'Register event source' } else { 'Remove event source' }
        Target = "$ServiceName (Application log)"; Before = $before
        IsSo = Test-Same $before $wanted
        Do = { Set-RegistryValues $EventSourceKey $wanted }
        Undo = { param($before) Set-RegistryValues $EventSourceKey $before }
        Advice = "Check that Administrators have full control of HKLM\$EventSourceKey."
    }
}

# The last events of the service, newest first. As XML: its text form is in Windows' language.
function Get-LastEvents([int] $count) {
    $query = "*[System[Provider[@Name='$ServiceName']]]"
    $result = Invoke-Program $WevtutilExe @(
        'qe', 'Application', "/q:$query", "/c:$count", '/rd:true', '/f:xml', '/e:Events')
    $document = [xml]::new()
    if ($result.Output.Trim() -ne '') { $document.LoadXml($result.Output.Trim()) }
    foreach ($node in $document.GetElementsByTagName('Event')) {
        $level = $node.GetElementsByTagName('Level').Item(0).InnerText
        [ordered] @{
            time = $node.GetElementsByTagName('TimeCreated').Item(0).GetAttribute('SystemTime')
            id = [int] $node.GetElementsByTagName('EventID').Item(0).InnerText
            level = switch ($level) { '2' { 'error' } '3' { 'warning' } default { 'information' } }
            text = @(foreach ($data in $node.GetElementsByTagName('Data')) { $data.InnerText }) -join ' '
        }
    }
}

# ---- Step: service ----

# The service as it is, with the names of $WantedService; $null if there is none. From where the
# service control manager keeps it: sc.exe's own answers are in Windows' language.
function Get-ServiceConfiguration {
    $stored = Get-RegistryValues $ServiceKey
    # A key without a program isn't a service, or not any more.
    if ($null -eq $stored -or -not $stored.ContainsKey('ImagePath')) { return $null }
    $value = @{
        Start = 3; DelayedAutostart = 0; ObjectName = ''; DisplayName = ''; DependOnService = @()
        Description = ''; FailureActions = [byte[]] (@(0) * 20); FailureActionsOnNonCrashFailures = 0
        ServiceSidType = 0; RequiredPrivileges = @()
    }
    foreach ($name in $stored.get_Keys()) { $value[$name] = $stored[$name].Value }
    $auto = if ($value.DelayedAutostart) { 'delayed-auto' } else { 'auto' }
    # SERVICE_FAILURE_ACTIONS: u32 reset period, two pointers, u32 count, a pointer, and from byte 20
    # a pair of u32 an action: what, after how many milliseconds.
    $bytes = $value.FailureActions
    $actions = for ($i = 0; $i -lt [BitConverter]::ToInt32($bytes, 12); $i++) {
        @('', 'restart', 'reboot', 'run')[[BitConverter]::ToInt32($bytes, 20 + 8 * $i)]
        [BitConverter]::ToUInt32($bytes, 24 + 8 * $i)
    }
    [ordered] @{
        BinaryPath = $value.ImagePath
        Start = @('boot', 'system', $auto, 'demand', 'disabled')[$value.Start]
        Account = $value.ObjectName
        DisplayName = $value.DisplayName
        DependsOn = @($value.DependOnService) -join '/'
        Description = $value.Description
        FailureReset = [string] [BitConverter]::ToUInt32($bytes, 0)
        FailureActions = @($actions) -join '/'
        FailureFlag = [string] $value.FailureActionsOnNonCrashFailures
        SidType = @('none', 'unrestricted', '', 'restricted')[$value.ServiceSidType]
        Privileges = @($value.RequiredPrivileges) -join '/'
    }
}

# Makes the service what the configuration says, $null deletes it. sc.exe wants its "name=" and the
# value apart. Windows only marks a service for deletion (1072) while another program, services.msc
# as a rule, has it open, and says 1060 when it is gone.
function Set-ServiceConfiguration($wanted) {
    if ($null -eq $wanted) {
        [void] (Invoke-Program $ScExe @('delete', $ServiceName) @(0, 1060, 1072))
        $Run.IsMarked = (Wait-ServiceState 'absent' 30) -ne 'absent'
        return
    }
    $verb = if ($null -eq (Get-ServiceConfiguration)) { 'create' } else { 'config' }
    $depends = if ($wanted.DependsOn -eq '') { '/' } else { $wanted.DependsOn }
    $calls = @(
        , @($verb, $ServiceName, 'type=', 'own', 'start=', $wanted.Start, 'error=', 'normal',
            'binPath=', $wanted.BinaryPath, 'obj=', $wanted.Account,
            'DisplayName=', $wanted.DisplayName, 'depend=', $depends)
        , @('description', $ServiceName, $wanted.Description)
        , @('failure', $ServiceName, 'reset=', $wanted.FailureReset, 'actions=', $wanted.FailureActions)
        , @('failureflag', $ServiceName, $wanted.FailureFlag)
        , @('sidtype', $ServiceName, $wanted.SidType)
        , @('privs', $ServiceName, $wanted.Privileges)
    )
    foreach ($call in $calls) { [void] (Invoke-Program $ScExe $call) }
}

function Step-Service($wanted) {
    $before = Get-ServiceConfiguration
    Invoke-Step @{
        Name = if ($null -eq $wanted) { 'Delete service' }
        elseif ($null -eq $before) { 'Create service' } else { 'Configure service' }
        Target = $ServiceName; Before = $before
        IsSo = Test-Same $before $wanted
        Do = { Set-ServiceConfiguration $wanted }
        Undo = { param($before) Set-ServiceConfiguration $before }
        Advice = 'Exit code 1072: close services.msc and Task Manager everywhere, then run this again.'
    }
}

# stopped, running and so on, or absent. Labels of sc.exe are in Windows' language; what is stable is
# that the second indented line has dwCurrentState as a number.
function Get-ServiceState {
    $result = Invoke-Program $ScExe @('query', $ServiceName) @(0, 1060)
    if ($result.ExitCode -eq 1060) { return 'absent' }
    $numbers = [regex]::Matches($result.Output, '(?m)^[ \t]+[^:\r\n]+:[ \t]+([0-9]+)')
    $names = 'unknown', 'stopped', 'starting', 'stopping', 'running', 'continuing', 'pausing', 'paused'
    $names[[int] $numbers[1].Groups[1].Value]
}

# Waits until the service is in a state; gives the last state seen.
function Wait-ServiceState([string] $state, [int] $seconds) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    for (; ; ) {
        $seen = Get-ServiceState
        if ($seen -eq $state -or $watch.Elapsed.TotalSeconds -ge $seconds) { return $seen }
        # A start that failed doesn't become one by waiting.
        if ($state -eq 'running' -and $seen -eq 'stopped') { return $seen }
        [Threading.Thread]::Sleep(100)
    }
}

# Starts or stops the service, unless there is none. 1056 and 1062: it is so already.
function Set-ServiceState([string] $wanted) {
    if (@($wanted, 'absent') -contains (Get-ServiceState)) { return }
    $verb = if ($wanted -eq 'running') { 'start' } else { 'stop' }
    [void] (Invoke-Program $ScExe @($verb, $ServiceName) @(0, 1056, 1062))
    $state = Wait-ServiceState $wanted 40
    if ($state -ne $wanted) { throw "the service is $state" }
}

function Step-Running([bool] $wanted) {
    $state = Get-ServiceState
    $isStopped = @('stopped', 'absent') -contains $state
    Invoke-Step @{
        Name = if ($wanted) { 'Start service' } else { 'Stop service' }
        Target = $ServiceName; Before = if ($isStopped) { 'stopped' } else { 'running' }
        IsSo = if ($wanted) { $state -eq 'running' } else { $isStopped }
        Do = { Set-ServiceState $(if ($wanted) { 'running' } else { 'stopped' }) }
        Undo = { param($before) Set-ServiceState $before }
        Advice = 'See the service''s events in the Application log, and windows.md for its codes.'
    }
}

# ---- Step: firewall rule ----
# netsh.exe and not the NetSecurity module or the COM object: it is on every Windows since 2008 with
# or without a desktop, and what it was told can be read in -Verbose.

# The rule by port and sources. The service checks sources and signatures itself, so a network of
# prefix length 0, which netsh.exe doesn't take, may become "any".
function Get-WantedRule {
    $port = Get-Setting 'Port'
    $sources = @(Get-Setting 'AllowedSources')
    $remote = if ("$sources" -eq 'on-link') { 'LocalSubnet' }
    elseif ($sources -match '/0$') { 'any' }
    else { $sources -join ',' }
    @{
        Port = [string] $port; Remote = $remote; Program = $ServiceExe
        Action = 'allow'; Enable = 'yes'
        Description = "Requests to ArpFlush: UDP $port from $remote"
    }
}

# The inbound rules of our name as the firewall stores them ([MS-FASP]: fields parted by "|").
function Get-FirewallRules {
    $values = Get-RegistryValues $FirewallKey
    if ($null -eq $values) { return }
    foreach ($stored in $values.get_Values()) {
        $fields = @{ Name = ''; Dir = ''; LPort = ''; App = ''; Action = ''; Active = ''; Desc = '' }
        $remote = @()
        foreach ($field in ([string] $stored.Value).Split('|')) {
            $name, $value = $field.Split([char[]] '=', 2)
            $fields[$name] = $value
            if ($name -match '^RA[46]$' -and $remote -notcontains $value) { $remote += $value }
        }
        if ($fields.Name -ne $ServiceName -or $fields.Dir -ne 'In') { continue }
        @{
            Port = $fields.LPort
            Remote = if ($remote.Count -eq 0) { 'any' } else { $remote -join ',' }
            Program = [Environment]::ExpandEnvironmentVariables($fields.App)
            Action = $fields.Action.ToLowerInvariant()
            Enable = if ($fields.Active -eq 'TRUE') { 'yes' } else { 'no' }
            Description = $fields.Desc
        }
    }
}

# Remote isn't compared: the firewall writes networks its own way, so the description stands for
# what we asked for. An administrator who narrows our rule is left alone.
function Test-FirewallRules([hashtable[]] $present, [hashtable[]] $wanted) {
    if ($present.Count -ne $wanted.Count) { return $false }
    foreach ($name in 'Port', 'Program', 'Action', 'Enable', 'Description') {
        if ($wanted.Count -eq 1 -and $present[0][$name] -ne $wanted[0][$name]) { return $false }
    }
    $true
}

# Makes these the rules of our name. A failover can flip the profile, so they hold in each.
function Set-FirewallRules([hashtable[]] $rules) {
    if (@(Get-FirewallRules).Count -gt 0) {
        [void] (Invoke-Program $NetshExe @(
                'advfirewall', 'firewall', 'delete', 'rule', "name=$ServiceName", 'dir=in'))
    }
    foreach ($rule in $rules) {
        [void] (Invoke-Program $NetshExe @(
                'advfirewall', 'firewall', 'add', 'rule', "name=$ServiceName", 'dir=in',
                "action=$($rule.Action)", 'protocol=UDP', "localport=$($rule.Port)",
                "remoteip=$($rule.Remote)", 'profile=any', "program=$($rule.Program)",
                "description=$($rule.Description)", "enable=$($rule.Enable)"))
    }
}

function Step-Firewall([hashtable[]] $wanted) {
    $before = @(Get-FirewallRules)
    Invoke-Step @{
        Name = if ($wanted) { 'Set firewall rule' } else { 'Remove firewall rule' }
        Target = if ($wanted) { $wanted[0].Description } else { $ServiceName }; Before = $before
        IsSo = Test-FirewallRules $before $wanted
        Do = { Set-FirewallRules $wanted }
        Undo = { param($before) Set-FirewallRules $before }
        Advice = 'Check that the service "Windows Defender Firewall" (mpssvc) runs.'
    }
}

# ---- Step: does it answer? ----

# A real request with the host's own key, over loopback or the one address the service listens on.
function Invoke-Probe {
    $listen = Get-Setting 'Listen'
    $target = switch ($listen) { '0.0.0.0' { '127.0.0.1' } '::' { '::1' } default { $listen } }
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $reason = ''
    try {
        [void] (Invoke-Program $SenderExe @(
                '--probe', '--no-verify', '--quiet', '--count', '1', '--wait', '1s',
                '--key-file', (Get-KeyPath), '--port', [string] (Get-Setting 'Port'), $target))
    } catch {
        $problem = Get-Reason $_.Exception
        $reason = "$($problem.Message) $($problem.Data['Output'])".Trim()
    }
    [ordered] @{
        answered = $reason -eq ''; target = $target
        milliseconds = [int] $watch.ElapsedMilliseconds; reason = $reason
    }
}

function Step-Answer {
    Invoke-Step @{
        Name = 'Wait for an answer'; Target = $ServiceName
        Do = {
            $watch = [Diagnostics.Stopwatch]::StartNew()
            do {
                $probe = Invoke-Probe
                if ($probe.answered) { return }
                [Threading.Thread]::Sleep(250)
            } while ($watch.Elapsed.TotalSeconds -lt 15 -and (Get-ServiceState) -eq 'running')
            throw "the service doesn't answer: $($probe.reason)"
        }
        Advice = 'See the service''s events in the Application log.'
    }
}

# ---- Status ----

# What is set in the registry and isn't the default, as text; a password is only said to be there.
function Get-ChangedSettings {
    $changed = [ordered] @{}
    $stored = Get-RegistryValues $SettingsKey
    if ($null -eq $stored) { return $changed }
    foreach ($name in $stored.get_Keys()) {
        $text = @($stored[$name].Value) -join ', '
        if ($KnownSettings.ContainsKey($name) -and $text -eq $KnownSettings[$name].Default) { continue }
        $changed[$name] = if ($name -eq 'Password') { '(set)' } else { $text }
    }
    $changed
}

# Everything about the installation, and what is wrong with it; $null if there is none.
function Get-Status {
    $service = Get-ServiceConfiguration
    if ($null -eq $service -and -not [IO.File]::Exists($ServiceExe)) { return $null }
    if ($null -eq $service) { $service = @{ Start = 'absent'; Account = '' } }
    $version = try { (Invoke-Program $ServiceExe @('--version')).Output.Trim() } catch { '' }
    $port, $keyPath = [int] (Get-Setting 'Port'), (Get-KeyPath)
    $network = [Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties()
    $status = [ordered] @{
        health = 'healthy'
        problems = @()
        version = $version -replace '^\S+\s+(\S+)[\s\S]*$', '$1'
        state = Get-ServiceState
        startType = $service.Start
        account = $service.Account
        port = $port
        portBound = @($network.GetActiveUdpListeners() | Where-Object { $_.Port -eq $port }).Count -gt 0
        firewallRule = Test-FirewallRules @(Get-FirewallRules) @(Get-WantedRule)
        keyFile = $keyPath
        keyIds = @()
        probe = Invoke-Probe
        settings = Get-ChangedSettings
        events = @()
    }
    $status.problems = @(
        if ($status.state -ne 'running') { "the service is $($status.state)" }
        if ($status.version -eq '') { """$ServiceExe"" doesn't run" }
        if ($status.startType -notlike '*auto') { 'the service doesn''t start by itself' }
        if (-not $status.portBound) { "nobody listens on UDP port $port" }
        if (-not $status.firewallRule) { 'the firewall rule is missing or different' }
        if (-not $status.probe.answered) { "it doesn't answer: $($status.probe.reason)" }
        try {
            $status.keyIds = @(Get-KeyIds ([IO.File]::ReadAllText($keyPath)))
            if (-not (Test-Protected $keyPath)) { "others can get at ""$keyPath""" }
        } catch {
            "Cannot read key file ""$keyPath"": $((Get-Reason $_.Exception).Message)"
        }
    )
    if ($status.problems.Count -gt 0) { $status.health = 'not healthy' }
    try {
        $status.events = @(Get-LastEvents 5)
    } catch {
        $PSCmdlet.WriteWarning("Cannot read the event log: $((Get-Reason $_.Exception).Message)")
    }
    $status
}

function Write-StatusTable($status) {
    $bound = if ($status.portBound) { 'bound' } else { 'not bound' }
    $keys = if ($status.keyIds) { $status.keyIds -join ', ' } else { 'none' }
    $probe = $status.probe
    $answer = if ($probe.answered) { "answered in $($probe.milliseconds) ms" } else { 'no answer' }
    $settings = @(foreach ($name in $status.settings.Keys) { "$name = $($status.settings[$name])" })
    # Of an event the first line: advice is in the others.
    $events = @(foreach ($one in $status.events) {
            "$($one.time) $($one.level) $($one.id) $(@($one.text -split '\r?\n')[0])"
        })
    $rows = [ordered] @{
        'Health' = @($status.health) + $status.problems
        'Version' = $status.version
        'Service' = "$($status.state), start $($status.startType), account $($status.account)"
        'Port' = "UDP $($status.port), $bound"
        'Firewall rule' = if ($status.firewallRule) { 'in place' } else { 'missing or different' }
        'Key ids' = "$keys in $($status.keyFile)"
        'Probe' = "$answer ($($probe.target))"
        'Settings' = if ($settings) { $settings } else { 'all as by default' }
        'Last events' = if ($events) { $events } else { 'none' }
    }
    foreach ($title in $rows.Keys) {
        $label = $title
        foreach ($line in @($rows[$title])) {
            Write-Line ('{0,-14} {1}' -f $label, $line)
            $label = ''
        }
    }
}

# JSON of texts, numbers, booleans, lists and dictionaries, in ASCII. ConvertTo-Json writes lists and
# special letters differently in 5.1 and 7.
function ConvertTo-JsonText($value) {
    if ($value -is [bool]) { return $value.ToString().ToLowerInvariant() }
    if ($value -is [int]) { return [string] $value }
    if ($value -is [array]) {
        return '[' + (@(foreach ($item in $value) { ConvertTo-JsonText $item }) -join ',') + ']'
    }
    if ($value -is [Collections.IDictionary]) {
        $members = foreach ($name in $value.Keys) {
            (ConvertTo-JsonText $name) + ':' + (ConvertTo-JsonText $value[$name])
        }
        return '{' + (@($members) -join ',') + '}'
    }
    $escaped = [regex]::Replace(($value -replace '["\\]', '\$0'), '[^ -~]', {
            param($letter) '\u{0:x4}' -f [int] [char] $letter.Value
        })
    """$escaped"""
}

# ---- The four actions ----
# Each gives the exit code.

function Show-Status {
    $status = Get-Status
    if ($null -eq $status) {
        if ($Json) { $PSCmdlet.WriteObject('{"health":"not installed"}') }
        Write-Line 'ArpFlush is not installed'
        return 4
    }
    if ($Json) { $PSCmdlet.WriteObject((ConvertTo-JsonText $status)) }
    Write-StatusTable $status
    if ($status.health -eq 'healthy') { 0 } else { 3 }
}

# Install and upgrade: makes this host have what is wanted; what is so already is left alone.
function Install-ArpFlush {
    if ($Action -eq 'upgrade' -and $null -eq (Get-ServiceConfiguration)) {
        Stop-BeforeChange 'Cannot upgrade: ArpFlush is not installed; use install' 4
    }
    $different = @(Get-PackageFiles | Where-Object { -not $_.IsInstalled })
    Assert-Own $DataFolder
    Assert-Own (Get-KeyPath)
    $isCurrent = $different.Count -eq 0 -and (Test-Settings) -and (Test-Key) -and
    (Test-Same (Get-ServiceConfiguration) $WantedService)
    if (-not $isCurrent) { Step-Running $false }
    Step-Programs $different
    Step-Settings
    Step-DataFolder
    Step-MetricsFolder
    Step-Key
    Step-SettingsCheck
    Step-EventSource $WantedEventSource
    Step-Service $WantedService
    Step-Firewall @(Get-WantedRule)
    Step-Running $true
    Step-Answer
    $hasChanged = $Run.Undo.Count -gt 0
    Complete-Steps
    if ($Run.Declined.Count -gt 0) { return Write-LeftOut }
    if (-not $hasChanged) { Write-Line 'Nothing had to be changed' }
    if ($Run.NewKey -ne '') {
        Write-Line "A new key is in $($Run.NewKey). Routers need the same: copy the file to /etc/arpflush/key"
        Write-Line 'on each, over an encrypted connection (scp), mode 600, and remove every other copy.'
    }
    Write-Line ''
    Show-Status
}

function Uninstall-ArpFlush {
    $metrics = Get-Setting 'MetricsFile'
    Step-Running $false
    Step-Firewall @()
    Step-EventSource $null
    Step-FolderRemoval $ProgramFolder
    if ($Purge) {
        Step-Settings -Remove
        Step-FolderRemoval $DataFolder
    }
    # Last, because a service that is only marked for deletion can't be made again.
    Step-Service $null
    # An exporter would show for ever what is in there.
    if ($Run.Declined.Count -eq 0 -and [IO.File]::Exists($metrics)) { $Run.CleanUp += $metrics }
    $hasChanged = $Run.Undo.Count -gt 0
    Complete-Steps
    if ($Run.Declined.Count -gt 0) { return Write-LeftOut }
    if (-not $hasChanged) { Write-Line 'Nothing had to be removed' }
    elseif (-not $Purge) { Write-Line 'Settings and key are kept; -Purge removes them too' }
    if ($Run.IsMarked) {
        Write-ErrorLine 'The service is marked for deletion (1072) and goes when the last program that'
        Write-ErrorLine 'has it open is closed: services.msc, Task Manager, a monitoring agent.'
        return 1
    }
    if ($Json) { $PSCmdlet.WriteObject('{"health":"not installed"}') }
    0
}

# What -WhatIf or an answer to -Confirm left undone; without it there is nothing to be judged.
function Write-LeftOut {
    if (-not $WhatIfPreference) { Write-Line "Left out: $($Run.Declined -join ', ')" }
    0
}

# ---- From here on it runs ----

function Assert-Machine {
    if (-not [Environment]::Is64BitProcess) {
        Stop-BeforeChange 'Cannot run here: ArpFlush needs a 64-bit Windows and the 64-bit PowerShell'
    }
    $principal = [Security.Principal.WindowsPrincipal]::new($Identity)
    if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        Stop-BeforeChange 'Cannot do this without rights: run PowerShell as administrator'
    }
}

# Says which step failed, how, and what to do about it.
function Write-Failure($problem) {
    $data, $step = $problem.Data, $problem.Data['Step']
    $title = if ($null -eq $step) { '' } else { "$($step.Name) ($($step.Target)): " }
    Write-ErrorLine "Failed: $title$($problem.Message)"
    if ($data['Command']) { Write-ErrorLine "  command    $($data['Command'])" }
    if ($data['Output']) { Write-ErrorLine "  it said    $($data['Output'])" }
    if ($null -ne $step) { Write-ErrorLine "  what to do $($step.Advice)" }
}

$isFinished = $false
$exitCode = 1
try {
    Assert-Machine
    if ($GenerateKey -and $KeyFile -ne '') { Stop-BeforeChange '-KeyFile and -GenerateKey conflict' }
    $SourceFolder = $PSScriptRoot
    if ($Source -ne '') {
        $SourceFolder = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($Source).TrimEnd('\')
    }
    $GivenKey = $null
    if ($KeyFile -ne '') {
        $GivenKey = Read-GivenKey $PSCmdlet.GetUnresolvedProviderPathFromPSPath($KeyFile)
    }
    $Given = Get-GivenSettings $PSBoundParameters
    $exitCode = switch ($Action) {
        'status' { Show-Status }
        'uninstall' { Uninstall-ArpFlush }
        default { Install-ArpFlush }
    }
    $isFinished = $true
} catch {
    $problem = Get-Reason $_.Exception
    Write-Failure $problem
    if ($problem.Data.Contains('ExitCode')) { $exitCode = $problem.Data['ExitCode'] }
} finally {
    # Also after Ctrl+C.
    if (-not $isFinished) { Undo-Steps }
}
# Without a file, by Invoke-Command -FilePath, exit would be asked of the session's host.
if ($PSCommandPath) { exit $exitCode }
$global:LASTEXITCODE = $exitCode
