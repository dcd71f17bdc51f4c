#Requires -Version 5.1

<#
.SYNOPSIS
Installs, upgrades, removes or checks the ArpFlush service on this host.

.DESCRIPTION
Works in Windows PowerShell 5.1 and PowerShell 7, on Server Core too. It needs no module and
downloads nothing.

install    copies the programs to %ProgramFiles%\ArpFlush, makes or takes the key, writes the given
           settings, registers event source, service and firewall rule, starts the service and
           waits until it answers. A second run changes nothing and says so.
upgrade    the same for a host that has it: settings and key stay. If the new version doesn't start
           and answer, the old one is put back and started.
uninstall  removes service, firewall rule, event source and programs; settings and key only with
           -Purge.
status     shows the installation and asks the service over loopback whether it answers.

A step that fails undoes what this run did, in reverse order, and says which step it was, the
command, its exit code and what to do. Only one thing is not undone: access rights of
%ProgramData%\ArpFlush that were too wide stay narrow.

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
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Position = 0)]
    [ValidateSet('install', 'upgrade', 'uninstall', 'status')]
    [string] $Action = 'status',
    [Parameter(Position = 1)]
    [string] $Source,
    [Parameter(Position = 2)]
    [string] $KeyFile,
    [switch] $GenerateKey,
    [ValidateRange(1, 65535)]
    [int] $Port,
    [string] $Listen,
    [securestring] $Password,
    [int] $HoldDownSeconds,
    [int] $ClockToleranceSeconds,
    [string[]] $AllowedSources,
    [ValidateSet('true', 'false')]
    [string] $FlushOnStart,
    [string[]] $RefreshAddresses,
    [int] $RefreshSeconds,
    [ValidateSet('error', 'warning', 'info', 'debug')]
    [string] $LogLevel,
    [switch] $Purge,
    [switch] $Json
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# ---- Where things are -----------------------------------------------------------------------------

# System programs by absolute path: nobody's PATH decides what an administrator runs.
$System32 = [Environment]::SystemDirectory
$ScExe = "$System32\sc.exe"
$NetshExe = "$System32\netsh.exe"
$IcaclsExe = "$System32\icacls.exe"
$WevtutilExe = "$System32\wevtutil.exe"

$ServiceName = 'ArpFlush'
$ProgramFolder = [Environment]::GetFolderPath('ProgramFiles') + '\ArpFlush'
$DataFolder = [Environment]::GetFolderPath('CommonApplicationData') + '\ArpFlush'
$ServiceExe = "$ProgramFolder\arpflush-service.exe"
$SenderExe = "$ProgramFolder\arpflush.exe"
$HostKeyFile = "$DataFolder\key"

$VendorKey = 'SOFTWARE\NPSL'
$SettingsKey = "$VendorKey\ArpFlush"
$ServiceKey = "SYSTEM\CurrentControlSet\Services\$ServiceName"
$EventSourceKey = "SYSTEM\CurrentControlSet\Services\EventLog\Application\$ServiceName"
$FirewallKey = 'SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules'

# SYSTEM and Administrators by SID: names are in Windows' language.
$SystemSid = 'S-1-5-18'
$AdministratorsSid = 'S-1-5-32-544'
$SettingsKeyAccess = 'O:BAD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)'

$StopSeconds = 30
$StartSeconds = 40
$AnswerSeconds = 15
$DeleteSeconds = 30

# What this run did: how to undo it, what to clear away when all went well, what was declined.
$Run = @{
    Undo     = [Collections.Stack]::new()
    CleanUp  = [Collections.ArrayList]::new()
    Declined = [Collections.ArrayList]::new()
    Changed  = 0
}

# ---- Saying things --------------------------------------------------------------------------------

# To the script's own output wherever it is called: a function's output would be its result.
function Write-Line([string] $text) {
    if (-not $Json) { $PSCmdlet.WriteObject($text) }
}

function Write-Result([string] $word, [string] $text) {
    Write-Line ('{0,-10} {1}' -f $word, $text)
}

# An error that ends the script with exit code 2 (or another): nothing has been changed.
function Stop-BeforeChange([string] $text, [int] $exitCode = 2) {
    $problem = [InvalidOperationException]::new($text)
    $problem.Data['ExitCode'] = $exitCode
    throw $problem
}

# The words of an error without the wrapping that PowerShell puts around errors of .NET methods.
function Get-Reason([Exception] $problem) {
    while ($problem -is [Management.Automation.RuntimeException] -and $problem.InnerException) {
        $problem = $problem.InnerException
    }
    $problem
}

# ---- Running programs -----------------------------------------------------------------------------

# One command line from arguments, as CommandLineToArgvW takes it apart again: backslashes count
# only before a quote. Done here because "&" quotes differently in 5.1 and 7.3.
function ConvertTo-CommandLine([string[]] $arguments) {
    $quoted = foreach ($argument in $arguments) {
        if ($argument -ne '' -and $argument -notmatch '[\s"]') {
            $argument
        } else {
            '"' + (($argument -replace '(\\*)"', '$1$1\"') -replace '(\\+)$', '$1$1') + '"'
        }
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
    $line = ('{0} {1}' -f (ConvertTo-CommandLine $path), $start.Arguments).Trim()
    $PSCmdlet.WriteVerbose($line)
    $process = [Diagnostics.Process]::Start($start)
    try {
        $process.StandardInput.Close()
        # Both at once: a program that fills the one while we wait for the other would never end.
        $errorText = $process.StandardError.ReadToEndAsync()
        $outputText = $process.StandardOutput.ReadToEnd()
        $process.WaitForExit()
        $result = @{ ExitCode = $process.ExitCode; Output = $outputText; Error = $errorText.Result }
    } finally {
        $process.Dispose()
    }
    if ($accept -notcontains $result.ExitCode) {
        $problem = [InvalidOperationException]::new(
            "$([IO.Path]::GetFileName($path)) ended with exit code $($result.ExitCode)")
        $problem.Data['Command'] = $line
        $problem.Data['Output'] = ($result.Error + $result.Output).Trim()
        throw $problem
    }
    $result
}

# ---- Steps that can be undone ---------------------------------------------------------------------

# Runs a step unless -WhatIf or the answer to -Confirm forbids it. Undo is remembered before Do
# begins, so it has to cope with half of it. Both get what With holds.
function Invoke-Step([hashtable] $step) {
    if (-not $PSCmdlet.ShouldProcess($step.Target, $step.Name)) {
        [void] $Run.Declined.Add($step.Name)
        return
    }
    $Run.Undo.Push($step)
    try {
        & $step.Do $step.With
    } catch {
        $problem = Get-Reason $_.Exception
        $problem.Data['Step'] = $step
        throw $problem
    }
    $Run.Changed++
    Write-Result 'done' "$($step.Name): $($step.Target)"
}

# Undoes every step of this run, the last one first. One that can't be undone doesn't keep the
# others from it.
function Undo-Steps {
    while ($Run.Undo.Count -gt 0) {
        $step = $Run.Undo.Pop()
        try {
            & $step.Undo $step.With
            $Host.UI.WriteErrorLine("  undone     $($step.Name): $($step.Target)")
        } catch {
            $reason = (Get-Reason $_.Exception).Message
            $Host.UI.WriteErrorLine("  NOT undone $($step.Name): $($step.Target): $reason")
        }
    }
}

# What is left to clear away when every step has worked, such as the old programs. Too late to
# undo anything, so a failure is only told.
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

# ---- Files ----------------------------------------------------------------------------------------
# .NET instead of cmdlets: for .NET, brackets in a path are no wildcards.

function Test-Exists([string] $path) {
    [IO.File]::Exists($path) -or [IO.Directory]::Exists($path)
}

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

function Get-Sha256([string] $path) {
    $stream = [IO.File]::OpenRead($path)
    $sha256 = [Security.Cryptography.SHA256]::Create()
    try {
        [BitConverter]::ToString($sha256.ComputeHash($stream)).Replace('-', '').ToLowerInvariant()
    } finally {
        $sha256.Dispose()
        $stream.Dispose()
    }
}

# Makes a folder. Undone only while it is empty, so nothing that others put there is lost.
function Install-Folder([string] $path) {
    if ([IO.Directory]::Exists($path)) { return }
    Invoke-Step @{
        Name = 'Make folder'; Target = $path; With = $path
        Advice = 'Check that the path is free and the disk writable.'
        Do = { param($path) [void] [IO.Directory]::CreateDirectory($path) }
        Undo = {
            param($path)
            if ([IO.Directory]::Exists($path)) { [IO.Directory]::Delete($path) }
        }
    }
}

# The account this runs as, an administrator, is trusted besides SYSTEM and Administrators.
function Get-TrustedSids {
    $SystemSid
    $AdministratorsSid
    [Security.Principal.WindowsIdentity]::GetCurrent().User.Value
}

# Whether only trusted accounts have any right in these rules.
function Test-OnlyTrusted($rules) {
    $trusted = Get-TrustedSids
    foreach ($rule in $rules) {
        if ($rule.AccessControlType -eq 'Allow' -and
            $trusted -notcontains $rule.IdentityReference.Value) { return $false }
    }
    $true
}

function Test-Protected([string] $path) {
    $security = [Security.AccessControl.FileSecurity]::new($path, 'Access')
    Test-OnlyTrusted $security.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])
}

# Everybody may make folders in %ProgramData%. One that somebody else made or turned into a link is
# not taken over: its owner could give himself rights in it again.
function Assert-Own([string] $path) {
    if (-not (Test-Exists $path)) { return }
    if ([IO.File]::GetAttributes($path) -band [IO.FileAttributes]::ReparsePoint) {
        Stop-BeforeChange "Cannot use ""$path"": it is a link"
    }
    $security = [Security.AccessControl.FileSecurity]::new($path, 'Owner')
    $owner = $security.GetOwner([Security.Principal.SecurityIdentifier]).Value
    if ((Get-TrustedSids) -notcontains $owner) {
        Stop-BeforeChange "Cannot use ""$path"": its owner is $owner, not Administrators"
    }
}

# Takes inherited rights away and lets SYSTEM and Administrators in. Rights is F for a file; a folder
# hands them on to what is made in it.
function Protect-Path([string] $path, [string] $rights) {
    [void] (Invoke-Program $IcaclsExe @($path, '/setowner', "*$AdministratorsSid", '/Q'))
    [void] (Invoke-Program $IcaclsExe @(
            $path, '/inheritance:r', '/grant:r',
            "*${SystemSid}:$rights", "*${AdministratorsSid}:$rights", '/Q'))
}

# ---- Programs -------------------------------------------------------------------------------------

# The files of Source that are installed, each with its sum from SHA256SUMS, which it must have.
function Get-Package {
    if ($SourceFolder -eq '') {
        Stop-BeforeChange 'Cannot tell where the programs are: give -Source'
    }
    $list = "$SourceFolder\SHA256SUMS"
    if (-not [IO.File]::Exists($list)) { Stop-BeforeChange "Cannot find ""$list""" }
    $sums = @{}
    foreach ($line in [IO.File]::ReadAllLines($list)) {
        if ($line -match '^([0-9A-Fa-f]{64}) [ *](?:.*/)?([^/]+)$') {
            $sums[$Matches[2]] = $Matches[1].ToLowerInvariant()
        }
    }
    foreach ($name in 'arpflush-service.exe', 'arpflush.exe', 'install.ps1') {
        # The script itself is installed where the list has it; the programs must be in there.
        if (-not $sums.ContainsKey($name)) {
            if ($name -eq 'install.ps1') { continue }
            Stop-BeforeChange "Cannot trust ""$name"": ""$list"" doesn't list it"
        }
        $from = "$SourceFolder\$name"
        if (-not [IO.File]::Exists($from)) { Stop-BeforeChange "Cannot find ""$from""" }
        if ((Get-Sha256 $from) -ne $sums[$name]) {
            Stop-BeforeChange "Cannot trust ""$from"": its SHA-256 is not the one in SHA256SUMS"
        }
        @{ From = $from; To = "$ProgramFolder\$name"; Sum = $sums[$name]; MovedOld = $false; MovedNew = $false }
    }
}

function Test-Installed([hashtable] $file) {
    [IO.File]::Exists($file.To) -and (Get-Sha256 $file.To) -eq $file.Sum
}

# Copies beside the old program, checks the copy, and swaps: a running program can be renamed, not
# overwritten. The old one stays until all has worked.
function Install-Program([hashtable] $file) {
    if (Test-Installed $file) {
        Write-Result 'unchanged' $file.To
        return
    }
    Invoke-Step @{
        Name = 'Copy program'; Target = $file.To; With = $file
        Advice = 'Check that the disk has room and no other program holds the file.'
        Do = {
            param($file)
            [IO.File]::Copy($file.From, "$($file.To).new", $true)
            if ((Get-Sha256 "$($file.To).new") -ne $file.Sum) {
                throw "the copy of ""$($file.From)"" is not what was checked before"
            }
            if ([IO.File]::Exists($file.To)) {
                Remove-Path "$($file.To).old"
                [IO.File]::Move($file.To, "$($file.To).old")
                $file.MovedOld = $true
            }
            [IO.File]::Move("$($file.To).new", $file.To)
            $file.MovedNew = $true
        }
        Undo = {
            param($file)
            Remove-Path "$($file.To).new"
            if ($file.MovedNew) { Remove-Path $file.To }
            if ($file.MovedOld) { [IO.File]::Move("$($file.To).old", $file.To) }
        }
    }
    [void] $Run.CleanUp.Add("$($file.To).old")
}

# What the installed service says of itself, or nothing if it doesn't run.
function Get-InstalledVersion {
    if (-not [IO.File]::Exists($ServiceExe)) { return '' }
    try {
        (Invoke-Program $ServiceExe @('--version')).Output.Trim() -replace '^\S+\s+', ''
    } catch {
        ''
    }
}

# ---- Registry -------------------------------------------------------------------------------------

# The 64-bit view of HKEY_LOCAL_MACHINE, which the service reads.
function Open-LocalMachine {
    [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
}

# A key's values by name, each with Kind and Value as it is stored; $null if there is no such key.
function Get-RegistryValues([string] $path) {
    $machine = Open-LocalMachine
    $key = $machine.OpenSubKey($path)
    if ($null -eq $key) { return $null }
    $values = @{}
    foreach ($name in $key.GetValueNames()) {
        # get_Keys() instead of .Keys to list them: a value may be named "Keys".
        $values[$name] = @{
            Kind = $key.GetValueKind($name)
            Value = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
        }
    }
    $key.Dispose()
    $machine.Dispose()
    $values
}

# Makes a key hold exactly these values; $null takes the key away.
function Set-RegistryValues([string] $path, $values) {
    $machine = Open-LocalMachine
    try {
        if ($null -eq $values) {
            $machine.DeleteSubKeyTree($path, $false)
            return
        }
        $key = $machine.CreateSubKey($path)
        foreach ($name in $key.GetValueNames()) {
            if (-not $values.ContainsKey($name)) { $key.DeleteValue($name) }
        }
        foreach ($name in $values.get_Keys()) {
            $key.SetValue($name, $values[$name].Value, $values[$name].Kind)
        }
        $key.Dispose()
    } finally {
        $machine.Dispose()
    }
}

function Test-SameValue($one, $other) {
    $null -ne $one -and $null -ne $other -and $one.Kind -eq $other.Kind -and
    (@($one.Value) -join "`0") -ceq (@($other.Value) -join "`0")
}

# ---- Settings -------------------------------------------------------------------------------------

function ConvertFrom-Secret([securestring] $secret) {
    $pointer = [Runtime.InteropServices.Marshal]::SecureStringToGlobalAllocUnicode($secret)
    try {
        [Runtime.InteropServices.Marshal]::PtrToStringUni($pointer)
    } finally {
        [Runtime.InteropServices.Marshal]::ZeroFreeGlobalAllocUnicode($pointer)
    }
}

# The settings given to this script as the registry holds them. powershell -File passes a list as
# one text, so commas part it here too. Limits are the service's own: --check knows them.
function Get-GivenSettings([hashtable] $bound) {
    $given = @{}
    foreach ($name in 'Port', 'HoldDownSeconds', 'ClockToleranceSeconds', 'RefreshSeconds') {
        if ($bound.ContainsKey($name)) { $given[$name] = @{ Kind = 'DWord'; Value = $bound[$name] } }
    }
    foreach ($name in 'Listen', 'LogLevel') {
        if ($bound.ContainsKey($name)) { $given[$name] = @{ Kind = 'String'; Value = $bound[$name] } }
    }
    foreach ($name in 'AllowedSources', 'RefreshAddresses') {
        if ($bound.ContainsKey($name)) {
            $list = [string[]] @($bound[$name] -split '[,\s]+' -ne '')
            $given[$name] = @{ Kind = 'MultiString'; Value = $list }
        }
    }
    if ($bound.ContainsKey('FlushOnStart')) {
        $given['FlushOnStart'] = @{ Kind = 'DWord'; Value = [int] ($FlushOnStart -eq 'true') }
    }
    if ($bound.ContainsKey('Password')) {
        $given['Password'] = @{ Kind = 'String'; Value = ConvertFrom-Secret $Password }
    }
    # The service looks here by itself; %ProgramData% can be elsewhere.
    if ($HostKeyFile -ne 'C:\ProgramData\ArpFlush\key') {
        $given['KeyFile'] = @{ Kind = 'String'; Value = $HostKeyFile }
    }
    $given
}

# A setting's value: given to this run, else in the registry, else what the service has by default.
function Get-Setting([string] $name, $default) {
    if ($Given.ContainsKey($name)) { return $Given[$name].Value }
    $stored = Get-RegistryValues $SettingsKey
    if ($null -ne $stored -and $stored.ContainsKey($name)) { return $stored[$name].Value }
    $default
}

function Get-KeyPath {
    [Environment]::ExpandEnvironmentVariables((Get-Setting 'KeyFile' $HostKeyFile))
}

function Get-SettingsAccess {
    $machine = Open-LocalMachine
    $key = $machine.OpenSubKey($SettingsKey)
    if ($null -eq $key) { return $null }
    $key.GetAccessControl('Access, Owner')
    $key.Dispose()
    $machine.Dispose()
}

function Set-SettingsAccess($access) {
    $machine = Open-LocalMachine
    $key = $machine.OpenSubKey($SettingsKey, 'ReadWriteSubTree', 'ReadKey, ChangePermissions, TakeOwnership')
    $key.SetAccessControl($access)
    $key.Dispose()
    $machine.Dispose()
}

# The key is made with its protection, before there is a password in it.
function New-SettingsAccess {
    $access = [Security.AccessControl.RegistrySecurity]::new()
    $access.SetSecurityDescriptorSddlForm($SettingsKeyAccess, 'Access, Owner')
    $access
}

# Whether the settings are as given, and protected.
function Test-Settings {
    $stored = Get-RegistryValues $SettingsKey
    if ($null -eq $stored) { return $false }
    foreach ($name in $Given.Keys) {
        if (-not (Test-SameValue $stored[$name] $Given[$name])) { return $false }
    }
    $access = Get-SettingsAccess
    $owner = $access.GetOwner([Security.Principal.SecurityIdentifier]).Value
    @($SystemSid, $AdministratorsSid) -contains $owner -and
    (Test-OnlyTrusted $access.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier]))
}

function Install-Settings {
    if (Test-Settings) {
        Write-Result 'unchanged' "settings in HKLM\$SettingsKey"
        return
    }
    Invoke-Step @{
        Name = 'Write settings'; Target = "HKLM\$SettingsKey"
        With = @{
            Values = Get-RegistryValues $SettingsKey
            Access = Get-SettingsAccess
            HadVendorKey = $null -ne (Get-RegistryValues $VendorKey)
        }
        Advice = 'Check that Administrators have full control of the key.'
        Do = {
            param($before)
            $machine = Open-LocalMachine
            $machine.CreateSubKey($SettingsKey, 'ReadWriteSubTree', (New-SettingsAccess)).Dispose()
            $machine.Dispose()
            Set-SettingsAccess (New-SettingsAccess)
            $values = Get-RegistryValues $SettingsKey
            foreach ($name in $Given.Keys) { $values[$name] = $Given[$name] }
            Set-RegistryValues $SettingsKey $values
        }
        Undo = {
            param($before)
            Set-RegistryValues $SettingsKey $before.Values
            if ($null -ne $before.Access) { Set-SettingsAccess (Copy-Access $before.Access) }
            if (-not $before.HadVendorKey) { Set-RegistryValues $VendorKey $null }
        }
    }
}

# Access rules as they were read count as unchanged, and .NET doesn't write what hasn't changed.
function Copy-Access($access) {
    $copy = [Security.AccessControl.RegistrySecurity]::new()
    $copy.SetSecurityDescriptorSddlForm($access.GetSecurityDescriptorSddlForm('Access'), 'Access')
    $copy
}

# The service's own judgement of settings and key, before it is started.
function Assert-Settings {
    if ($Run.Declined.Count -gt 0) { return }
    Invoke-Check @{
        Name = 'Check settings'; Target = $ServiceExe
        Advice = 'Correct the settings that are named; each has its limits in docs/settings.md.'
        Do = { [void] (Invoke-Program $ServiceExe @('--check')) }
    }
}

# ---- Key ------------------------------------------------------------------------------------------

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

# Puts the key where the service looks: the one given, a new one, or the one that is there.
function Install-Key {
    $path = Get-KeyPath
    $exists = [IO.File]::Exists($path)
    $isWanted = if ($GenerateKey) { $false }
    elseif ($null -ne $GivenKey) { $exists -and [IO.File]::ReadAllText($path) -ceq $GivenKey }
    else { $exists }
    if ($isWanted -and (Test-Protected $path)) {
        Write-Result 'unchanged' "key in $path"
        return
    }
    if ($isWanted) {
        Invoke-Step @{
            Name = 'Protect key'; Target = $path; With = $path
            Advice = 'Check that the volume has access control (NTFS).'
            Do = { param($path) Protect-Path $path 'F' }
            # Rights that were too wide stay narrow.
            Undo = { }
        }
        return
    }
    Invoke-Step @{
        Name = if ($null -ne $GivenKey) { 'Take key' } else { 'Make key' }
        Target = $path; With = @{ Path = $path; MovedOld = $false; MovedNew = $false }
        Advice = 'Check the folder of the key, and that it is on a volume with access control (NTFS).'
        Do = {
            param($key)
            # Empty, then protected, then filled: the secret is never readable for others.
            [IO.File]::Create("$($key.Path).new").Dispose()
            Protect-Path "$($key.Path).new" 'F'
            $text = $GivenKey
            if ($null -eq $text) { $text = (Invoke-Program $SenderExe @('--keygen')).Output }
            [IO.File]::WriteAllText("$($key.Path).new", $text, [Text.UTF8Encoding]::new($false))
            if ([IO.File]::Exists($key.Path)) {
                Remove-Path "$($key.Path).old"
                [IO.File]::Move($key.Path, "$($key.Path).old")
                $key.MovedOld = $true
            }
            [IO.File]::Move("$($key.Path).new", $key.Path)
            $key.MovedNew = $true
        }
        Undo = {
            param($key)
            Remove-Path "$($key.Path).new"
            if ($key.MovedNew) { Remove-Path $key.Path }
            if ($key.MovedOld) { [IO.File]::Move("$($key.Path).old", $key.Path) }
        }
    }
    [void] $Run.CleanUp.Add("$path.old")
    if ($null -eq $GivenKey) { $Run.NewKey = $path }
}

# The folder of the key: protected before the key is in it.
function Install-DataFolder {
    Install-Folder $DataFolder
    if ([IO.Directory]::Exists($DataFolder) -and (Test-Protected $DataFolder)) { return }
    Invoke-Step @{
        Name = 'Protect folder'; Target = $DataFolder; With = $null
        Advice = 'Check that the volume has access control (NTFS).'
        Do = { Protect-Path $DataFolder '(OI)(CI)F' }
        # Rights that were too wide stay narrow; a folder that was made goes with its own step.
        Undo = { }
    }
}

# ---- Event source ---------------------------------------------------------------------------------

# Windows' own message file for events that are one text each.
$EventSource = @{
    EventMessageFile = @{ Kind = 'ExpandString'; Value = '%SystemRoot%\System32\EventCreate.exe' }
    TypesSupported = @{ Kind = 'DWord'; Value = 7 }
}

function Install-EventSource {
    $before = Get-RegistryValues $EventSourceKey
    $isSame = $null -ne $before
    foreach ($name in $EventSource.Keys) {
        $isSame = $isSame -and (Test-SameValue $before[$name] $EventSource[$name])
    }
    if ($isSame) {
        Write-Result 'unchanged' "event source $ServiceName"
        return
    }
    Invoke-Step @{
        Name = 'Register event source'; Target = "$ServiceName (Application log)"; With = $before
        Advice = "Check that Administrators have full control of HKLM\$EventSourceKey."
        Do = { Set-RegistryValues $EventSourceKey $EventSource }
        Undo = { param($before) Set-RegistryValues $EventSourceKey $before }
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

# ---- Service --------------------------------------------------------------------------------------

# Everything sc.exe is told of a service. Privileges: LocalSystem flushes by being an administrator;
# of its privileges only the one that every process has is left. Failure: restart after 5 s, 5 s,
# 60 s, also when the service ends with an error instead of crashing.
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

# The same of the service as it is, from where the service control manager keeps it; $null if there
# is none. sc.exe's own answers are in Windows' language.
function Get-ServiceConfiguration {
    $values = Get-RegistryValues $ServiceKey
    # A key without a program isn't a service, or not any more.
    if ($null -eq $values -or -not $values.ContainsKey('ImagePath')) { return $null }
    $read = {
        param($name, $default)
        if ($values.ContainsKey($name)) { $values[$name].Value } else { $default }
    }
    $start = switch (& $read 'Start' 3) { 2 { 'auto' } 4 { 'disabled' } default { 'demand' } }
    if ($start -eq 'auto' -and (& $read 'DelayedAutostart' 0) -eq 1) { $start = 'delayed-auto' }
    $failure = Read-FailureActions (& $read 'FailureActions' $null)
    [ordered] @{
        BinaryPath = & $read 'ImagePath' ''
        Start = $start
        Account = & $read 'ObjectName' ''
        DisplayName = & $read 'DisplayName' ''
        DependsOn = @(& $read 'DependOnService' @()) -join '/'
        Description = & $read 'Description' ''
        FailureReset = $failure.Reset
        FailureActions = $failure.Actions
        FailureFlag = [string] (& $read 'FailureActionsOnNonCrashFailures' 0)
        SidType = switch (& $read 'ServiceSidType' 0) {
            1 { 'unrestricted' } 3 { 'restricted' } default { 'none' }
        }
        Privileges = @(& $read 'RequiredPrivileges' @()) -join '/'
    }
}

# SERVICE_FAILURE_ACTIONS as stored: u32 reset period, two pointers, u32 count, a pointer, and from
# byte 20 a pair of u32 an action: what, after how many milliseconds.
function Read-FailureActions($bytes) {
    if ($null -eq $bytes -or $bytes.Length -lt 20) { return @{ Reset = '0'; Actions = '' } }
    $words = for ($i = 0; $i -lt [BitConverter]::ToInt32($bytes, 12); $i++) {
        @('', 'restart', 'reboot', 'run')[[BitConverter]::ToInt32($bytes, 20 + 8 * $i)]
        [BitConverter]::ToUInt32($bytes, 24 + 8 * $i)
    }
    @{ Reset = [string] [BitConverter]::ToUInt32($bytes, 0); Actions = @($words) -join '/' }
}

# Makes the service what the configuration says. sc.exe wants its "name=" and the value apart.
function Set-ServiceConfiguration($service, [string] $verb) {
    $depends = if ($service.DependsOn -eq '') { '/' } else { $service.DependsOn }
    $calls = @(
        , @($verb, $ServiceName, 'type=', 'own', 'start=', $service.Start, 'error=', 'normal',
            'binPath=', $service.BinaryPath, 'obj=', $service.Account,
            'DisplayName=', $service.DisplayName, 'depend=', $depends)
        , @('description', $ServiceName, $service.Description)
        , @('failure', $ServiceName, 'reset=', $service.FailureReset,
            'actions=', $service.FailureActions)
        , @('failureflag', $ServiceName, $service.FailureFlag)
        , @('sidtype', $ServiceName, $service.SidType)
        , @('privs', $ServiceName, $service.Privileges)
    )
    foreach ($call in $calls) { [void] (Invoke-Program $ScExe $call) }
}

function Test-ServiceConfiguration {
    $present = Get-ServiceConfiguration
    $null -ne $present -and
    (@($present.Values) -join "`0") -eq (@($WantedService.Values) -join "`0")
}

function Install-Service {
    $before = Get-ServiceConfiguration
    if (Test-ServiceConfiguration) {
        Write-Result 'unchanged' "service $ServiceName"
        return
    }
    Invoke-Step @{
        Name = if ($null -eq $before) { 'Create service' } else { 'Configure service' }
        Target = $ServiceName; With = $before
        Advice = 'Exit code 1072: close services.msc and Task Manager everywhere, then run this again.'
        Do = {
            param($before)
            $verb = if ($null -eq $before) { 'create' } else { 'config' }
            Set-ServiceConfiguration $WantedService $verb
        }
        Undo = {
            param($before)
            if ($null -ne $before) { Set-ServiceConfiguration $before 'config' }
            elseif ((Get-ServiceState) -ne 'absent') { [void] (Remove-Service) }
        }
    }
}

# stopped, running and so on, or absent. Labels of sc.exe are in Windows' language; what is stable is that
# the second indented line has dwCurrentState as a number.
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

function Start-InstalledService {
    if ((Get-ServiceState) -eq 'running') { return }
    # 1056: somebody, perhaps the recovery, was faster.
    [void] (Invoke-Program $ScExe @('start', $ServiceName) @(0, 1056))
    $state = Wait-ServiceState 'running' $StartSeconds
    if ($state -ne 'running') { throw "the service is $state$(Get-LastWords)" }
}

function Stop-InstalledService {
    if (@('stopped', 'absent') -contains (Get-ServiceState)) { return }
    # 1062: it has ended in the meantime.
    [void] (Invoke-Program $ScExe @('stop', $ServiceName) @(0, 1062))
    $state = Wait-ServiceState 'stopped' $StopSeconds
    if ($state -ne 'stopped') { throw "the service is still $state after $StopSeconds s" }
}

# The service's last event, for the error that says it doesn't run.
function Get-LastWords {
    try {
        $events = @(Get-LastEvents 1)
        if ($events.Count -eq 0) { '' } else { "; its last event: $($events[0].text)" }
    } catch {
        ''
    }
}

# Deletes the service; gives whether it is gone (1060). Windows only marks it (1072) while another
# program, services.msc as a rule, has it open.
function Remove-Service {
    [void] (Invoke-Program $ScExe @('delete', $ServiceName) @(0, 1060, 1072))
    $state = Wait-ServiceState 'absent' $DeleteSeconds
    $state -eq 'absent'
}

# ---- Firewall -------------------------------------------------------------------------------------
# netsh.exe and not the NetSecurity module or the COM object: it is on every Windows since 2008 with
# or without a desktop, and what it was told can be read in -Verbose.

# The remote addresses of the rule. The service checks sources and signatures itself, so a network of
# prefix length 0, which netsh.exe doesn't take, may become "any".
function Get-RemoteAddresses {
    $sources = @(Get-Setting 'AllowedSources' @('on-link'))
    if ($sources.Count -eq 1 -and $sources[0] -eq 'on-link') { return 'LocalSubnet' }
    if (@($sources -match '/0$').Count -gt 0) { return 'any' }
    $sources -join ','
}

function Get-WantedRule {
    $port = Get-Setting 'Port' 27735
    $remote = Get-RemoteAddresses
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
    foreach ($id in $values.get_Keys()) {
        $fields = @{}
        $remote = @()
        foreach ($field in ([string] $values[$id].Value).Split('|')) {
            $name, $value = $field.Split([char[]] '=', 2)
            $fields[$name] = $value
            if ($name -match '^RA[46]$' -and $remote -notcontains $value) { $remote += $value }
        }
        if ($fields['Name'] -ne $ServiceName -or $fields['Dir'] -ne 'In') { continue }
        @{
            Port = [string] $fields['LPort']
            Remote = if ($remote.Count -eq 0) { 'any' } else { $remote -join ',' }
            Program = [Environment]::ExpandEnvironmentVariables([string] $fields['App'])
            Action = ([string] $fields['Action']).ToLowerInvariant()
            Enable = if ($fields['Active'] -eq 'TRUE') { 'yes' } else { 'no' }
            Description = [string] $fields['Desc']
        }
    }
}

# Remote isn't compared: the firewall writes networks its own way, so the description stands for
# what we asked for. An administrator who narrows our rule is left alone.
function Test-FirewallRule {
    $rules = @(Get-FirewallRules)
    if ($rules.Count -ne 1) { return $false }
    $wanted = Get-WantedRule
    foreach ($name in 'Port', 'Program', 'Action', 'Enable', 'Description') {
        if ($rules[0][$name] -ne $wanted[$name]) { return $false }
    }
    $true
}

# Makes these the rules of our name.
function Set-FirewallRules([hashtable[]] $rules) {
    if (@(Get-FirewallRules).Count -gt 0) {
        [void] (Invoke-Program $NetshExe @(
                'advfirewall', 'firewall', 'delete', 'rule', "name=$ServiceName", 'dir=in'))
    }
    foreach ($rule in $rules) {
        # A failover can flip the profile, so the rule holds in each.
        [void] (Invoke-Program $NetshExe @(
                'advfirewall', 'firewall', 'add', 'rule', "name=$ServiceName", 'dir=in',
                "action=$($rule.Action)", 'protocol=UDP', "localport=$($rule.Port)",
                "remoteip=$($rule.Remote)", 'profile=any', "program=$($rule.Program)",
                "description=$($rule.Description)", "enable=$($rule.Enable)"))
    }
}

function Install-FirewallRule {
    if (Test-FirewallRule) {
        Write-Result 'unchanged' "firewall rule $ServiceName"
        return
    }
    $wanted = Get-WantedRule
    Invoke-Step @{
        Name = 'Set firewall rule'; Target = $wanted.Description; With = @(Get-FirewallRules)
        Advice = 'Check that the service "Windows Defender Firewall" (mpssvc) runs.'
        Do = { Set-FirewallRules @($wanted) }
        Undo = { param($before) Set-FirewallRules @($before) }
    }
}

# ---- Does it answer? ------------------------------------------------------------------------------

# A real request with the host's own key, over loopback or the one address the service listens on.
function Invoke-Probe {
    $listen = Get-Setting 'Listen' '0.0.0.0'
    $target = switch ($listen) { '0.0.0.0' { '127.0.0.1' } '::' { '::1' } default { $listen } }
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $answered = $true
    $reason = ''
    try {
        [void] (Invoke-Program $SenderExe @(
                '--probe', '--no-verify', '--quiet', '--count', '1', '--wait', '1s',
                '--key-file', (Get-KeyPath), '--port', [string] (Get-Setting 'Port' 27735), $target))
    } catch {
        $problem = Get-Reason $_.Exception
        $answered = $false
        $reason = $problem.Message
        if ($problem.Data.Contains('Output') -and $problem.Data['Output'] -ne '') {
            $reason += ": $($problem.Data['Output'])"
        }
    }
    [ordered] @{
        answered = $answered; target = $target
        milliseconds = [int] $watch.ElapsedMilliseconds; reason = $reason
    }
}

function Assert-Answer {
    Invoke-Check @{
        Name = 'Wait for an answer'; Target = 'loopback'
        Advice = 'See the service''s events in the Application log.'
        Do = {
            $watch = [Diagnostics.Stopwatch]::StartNew()
            do {
                $probe = Invoke-Probe
                if ($probe.answered) { return }
                if ((Get-ServiceState) -ne 'running') { break }
                [Threading.Thread]::Sleep(250)
            } while ($watch.Elapsed.TotalSeconds -lt $AnswerSeconds)
            throw "the service doesn't answer: $($probe.reason)$(Get-LastWords)"
        }
    }
}

# ---- Status ---------------------------------------------------------------------------------------

# What is set in the registry and isn't the default, as text; a password is only said to be there.
function Get-ChangedSettings {
    $defaults = @{
        Port = '27735'; Listen = '0.0.0.0'; Password = ''; HoldDownSeconds = '10'
        ClockToleranceSeconds = '60'; AllowedSources = 'on-link'; FlushOnStart = '1'
        RefreshAddresses = 'none'; RefreshSeconds = '30'; LogLevel = 'info'; LogFormat = 'text'
        KeyFile = 'C:\ProgramData\ArpFlush\key'
    }
    $changed = [ordered] @{}
    $stored = Get-RegistryValues $SettingsKey
    if ($null -ne $stored) {
        $names = [string[]] @($stored.get_Keys())
        [Array]::Sort($names)
        foreach ($name in $names) {
            $text = @($stored[$name].Value) -join ', '
            if ($text -eq $defaults[$name]) { continue }
            $changed[$name] = if ($name -eq 'Password') { '(set)' } else { $text }
        }
    }
    $changed
}

# Everything about the installation, and what is wrong with it; $null if there is none.
function Get-Status {
    $service = Get-ServiceConfiguration
    if ($null -eq $service -and -not [IO.File]::Exists($ServiceExe)) { return $null }
    $problems = [Collections.ArrayList]::new()
    $state = Get-ServiceState
    if ($state -ne 'running') { [void] $problems.Add("the service is $state") }
    $version = Get-InstalledVersion
    if ($version -eq '') { [void] $problems.Add("""$ServiceExe"" doesn't run") }
    $start = if ($null -eq $service) { '' } else { $service.Start }
    if ($start -notlike '*auto') { [void] $problems.Add('the service doesn''t start by itself') }

    $port = [int] (Get-Setting 'Port' 27735)
    $network = [Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties()
    $bound = @($network.GetActiveUdpListeners() | Where-Object { $_.Port -eq $port }).Count -gt 0
    if (-not $bound) { [void] $problems.Add("nobody listens on UDP port $port") }
    $rule = Test-FirewallRule
    if (-not $rule) { [void] $problems.Add('the firewall rule is missing or different') }

    $keyPath = Get-KeyPath
    $keyIds = @()
    try {
        $keyIds = @(Get-KeyIds ([IO.File]::ReadAllText($keyPath)))
        if (-not (Test-Protected $keyPath)) { [void] $problems.Add("others can get at ""$keyPath""") }
    } catch {
        [void] $problems.Add("Cannot read key file ""$keyPath"": $((Get-Reason $_.Exception).Message)")
    }
    $probe = Invoke-Probe
    if (-not $probe.answered) { [void] $problems.Add("it doesn't answer: $($probe.reason)") }
    $events = @()
    try {
        $events = @(Get-LastEvents 5)
    } catch {
        $PSCmdlet.WriteWarning("Cannot read the event log: $((Get-Reason $_.Exception).Message)")
    }
    [ordered] @{
        health = if ($problems.Count -eq 0) { 'healthy' } else { 'not healthy' }
        problems = @($problems)
        version = $version
        state = $state
        startType = $start
        account = if ($null -eq $service) { '' } else { $service.Account }
        port = $port
        portBound = $bound
        firewallRule = $rule
        keyFile = $keyPath
        keyIds = $keyIds
        probe = $probe
        settings = Get-ChangedSettings
        events = $events
    }
}

function Write-StatusTable($status) {
    $probe = if ($status.probe.answered) { "answered in $($status.probe.milliseconds) ms" } else { 'no answer' }
    $settings = @(foreach ($name in $status.settings.Keys) { "$name = $($status.settings[$name])" })
    $rows = [ordered] @{
        'Health' = @($status.health) + $status.problems
        'Version' = $status.version
        'Service' = "$($status.state), start $($status.startType), account $($status.account)"
        'Port' = "UDP $($status.port), $(if ($status.portBound) { 'bound' } else { 'not bound' })"
        'Firewall rule' = if ($status.firewallRule) { 'in place' } else { 'missing or different' }
        'Key ids' = "$(if ($status.keyIds.Count) { $status.keyIds -join ', ' } else { 'none' }) in $($status.keyFile)"
        'Probe' = "$probe ($($status.probe.target))"
        'Settings' = if ($settings.Count -eq 0) { 'all as by default' } else { $settings }
        'Last events' = if ($status.events.Count -eq 0) { 'none' } else {
            foreach ($event1 in $status.events) { "$($event1.time) $($event1.level) $($event1.id) $($event1.text)" }
        }
    }
    foreach ($title in $rows.Keys) {
        $label = $title
        foreach ($line in @($rows[$title])) {
            Write-Line ('{0,-14} {1}' -f $label, $line)
            $label = ''
        }
    }
}

# JSON of texts, numbers, booleans, lists and dictionaries. ConvertTo-Json writes lists and special
# letters differently in 5.1 and 7.
function ConvertTo-JsonText($value) {
    if ($null -eq $value) { return 'null' }
    if ($value -is [bool]) { return $value.ToString().ToLowerInvariant() }
    if ($value -is [int]) { return [string] $value }
    if ($value -is [Collections.IDictionary]) {
        $members = foreach ($name in $value.Keys) {
            "$(ConvertTo-JsonText ([string] $name)):$(ConvertTo-JsonText $value[$name])"
        }
        return '{' + (@($members) -join ',') + '}'
    }
    if ($value -is [array]) {
        $items = foreach ($item in $value) { ConvertTo-JsonText $item }
        return '[' + (@($items) -join ',') + ']'
    }
    $text = [Text.StringBuilder]::new('"')
    foreach ($letter in ([string] $value).ToCharArray()) {
        $code = [int] $letter
        if ($letter -eq '"' -or $letter -eq '\') { [void] $text.Append('\').Append($letter) }
        elseif ($code -ge 32 -and $code -le 126) { [void] $text.Append($letter) }
        else { [void] $text.Append('\u').Append($code.ToString('x4')) }
    }
    $text.Append('"').ToString()
}

# Prints the status; gives the exit code that says the same.
function Show-Status {
    $status = Get-Status
    if ($null -eq $status) {
        if ($Json) { $PSCmdlet.WriteObject('{"health":"not installed"}') }
        Write-Line 'ArpFlush is not installed'
        return 4
    }
    if ($Json) { $PSCmdlet.WriteObject((ConvertTo-JsonText $status)) }
    Write-StatusTable $status
    if ($status.problems.Count -eq 0) { 0 } else { 3 }
}

# ---- What the script does -------------------------------------------------------------------------

# Does something that changes nothing and can fail, which fails the run as a step does.
function Invoke-Check([hashtable] $step) {
    try {
        & $step.Do
    } catch {
        $problem = Get-Reason $_.Exception
        $problem.Data['Step'] = $step
        throw $problem
    }
    Write-Result 'ok' $step.Name
}

function Assert-Machine {
    if (-not [Environment]::Is64BitOperatingSystem) {
        Stop-BeforeChange 'Cannot run here: ArpFlush needs a 64-bit Windows'
    }
    if (-not [Environment]::Is64BitProcess) {
        Stop-BeforeChange 'Cannot run in 32-bit PowerShell: use the 64-bit one'
    }
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = [Security.Principal.WindowsPrincipal]::new($identity)
    if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        Stop-BeforeChange 'Cannot do this without rights: run PowerShell as administrator'
    }
}

# Makes this host have what is wanted, step by step; what is so already is left alone.
function Install-ArpFlush {
    $package = @(Get-Package)
    Assert-Own $DataFolder
    Assert-Own (Get-KeyPath)

    $isCurrent = (Test-Settings) -and (Test-ServiceConfiguration) -and
    -not $GenerateKey -and $null -eq $GivenKey
    foreach ($file in $package) { $isCurrent = $isCurrent -and (Test-Installed $file) }
    if (-not $isCurrent -and @('stopped', 'absent') -notcontains (Get-ServiceState)) { Stop-ForChange }

    Install-Folder $ProgramFolder
    foreach ($file in $package) { Install-Program $file }
    Install-Settings
    Install-DataFolder
    Install-Key
    Assert-Settings
    Install-EventSource
    Install-Service
    Install-FirewallRule
    if ((Get-ServiceState) -ne 'running') {
        Invoke-Step @{
            Name = 'Start service'; Target = $ServiceName; With = $null
            Advice = 'See the service''s events in the Application log, and docs/windows.md for its codes.'
            Do = { Start-InstalledService }
            Undo = { Stop-InstalledService }
        }
    }
    if ($Run.Declined.Count -eq 0) { Assert-Answer }
}

# Stops the service so that it can be changed; undone last, when all else is as it was.
function Stop-ForChange {
    Invoke-Step @{
        Name = 'Stop service'; Target = $ServiceName; With = $null
        Advice = 'See what the service waits for in the Application log.'
        Do = { Stop-InstalledService }
        Undo = { Start-InstalledService }
    }
}

# Moves a folder aside, to be removed when all has worked.
function Remove-Folder([string] $path) {
    if (-not [IO.Directory]::Exists($path)) { return }
    Invoke-Step @{
        Name = 'Remove folder'; Target = $path; With = $path
        Advice = 'Close programs and consoles that are in the folder.'
        Do = {
            param($path)
            Remove-Path "$path.removed"
            [IO.Directory]::Move($path, "$path.removed")
        }
        Undo = {
            param($path)
            if (-not [IO.Directory]::Exists($path)) { [IO.Directory]::Move("$path.removed", $path) }
        }
    }
    [void] $Run.CleanUp.Add("$path.removed")
}

function Uninstall-ArpFlush {
    $service = Get-ServiceConfiguration
    if (@('stopped', 'absent') -notcontains (Get-ServiceState)) { Stop-ForChange }
    $rules = @(Get-FirewallRules)
    if ($rules.Count -gt 0) {
        Invoke-Step @{
            Name = 'Remove firewall rule'; Target = $ServiceName; With = $rules
            Advice = 'Check that the service "Windows Defender Firewall" (mpssvc) runs.'
            Do = { Set-FirewallRules @() }
            Undo = { param($before) Set-FirewallRules @($before) }
        }
    }
    $source = Get-RegistryValues $EventSourceKey
    if ($null -ne $source) {
        Invoke-Step @{
            Name = 'Remove event source'; Target = "$ServiceName (Application log)"; With = $source
            Advice = "Check that Administrators have full control of HKLM\$EventSourceKey."
            Do = { Set-RegistryValues $EventSourceKey $null }
            Undo = { param($before) Set-RegistryValues $EventSourceKey $before }
        }
    }
    Remove-Folder $ProgramFolder
    if ($Purge) {
        Remove-Settings
        Remove-Folder $DataFolder
    }
    # Last, because a service that is only marked for deletion can't be made again.
    if ($null -ne $service) {
        Invoke-Step @{
            Name = 'Delete service'; Target = $ServiceName; With = $service
            Advice = 'Run this again when no other program has the service open.'
            Do = {
                $Run.Marked = -not (Remove-Service)
            }
            Undo = {
                param($before)
                if ($null -eq (Get-ServiceConfiguration)) { Set-ServiceConfiguration $before 'create' }
            }
        }
    }
}

function Remove-Settings {
    $values = Get-RegistryValues $SettingsKey
    if ($null -eq $values) { return }
    Invoke-Step @{
        Name = 'Remove settings'; Target = "HKLM\$SettingsKey"
        With = @{ Values = $values; Access = Get-SettingsAccess }
        Advice = 'Check that Administrators have full control of the key.'
        Do = {
            $machine = Open-LocalMachine
            $machine.DeleteSubKeyTree($SettingsKey, $false)
            $vendor = $machine.OpenSubKey($VendorKey)
            $isEmpty = $null -ne $vendor -and $vendor.SubKeyCount -eq 0 -and $vendor.ValueCount -eq 0
            if ($null -ne $vendor) { $vendor.Dispose() }
            if ($isEmpty) { $machine.DeleteSubKey($VendorKey) }
            $machine.Dispose()
        }
        Undo = {
            param($before)
            # Protected first, because there may be a password among the values.
            Set-RegistryValues $SettingsKey @{}
            Set-SettingsAccess (Copy-Access $before.Access)
            Set-RegistryValues $SettingsKey $before.Values
        }
    }
}

# Says which step failed, how, and what to do about it.
function Write-Failure($problem) {
    $data = $problem.Data
    $title = if ($data.Contains('Step')) { "$($data['Step'].Name) ($($data['Step'].Target)): " } else { '' }
    $Host.UI.WriteErrorLine("Failed: $title$($problem.Message)")
    if ($data.Contains('Command')) { $Host.UI.WriteErrorLine("  command    $($data['Command'])") }
    if ($data.Contains('Output') -and $data['Output'] -ne '') {
        $Host.UI.WriteErrorLine("  it said    $($data['Output'])")
    }
    if ($data.Contains('Step')) { $Host.UI.WriteErrorLine("  what to do $($data['Step'].Advice)") }
}

# Does what Action says; gives the exit code.
function Invoke-Action {
    Assert-Machine
    if ($Action -eq 'status') { return Show-Status }
    if ($Action -eq 'uninstall') {
        Uninstall-ArpFlush
        Complete-Steps
        return Write-UninstallEnd
    }
    if ($Action -eq 'upgrade' -and $null -eq (Get-ServiceConfiguration)) {
        Stop-BeforeChange 'Cannot upgrade: ArpFlush is not installed; use install' 4
    }
    Install-ArpFlush
    Complete-Steps
    if ($Run.Declined.Count -gt 0) { return Write-LeftOut }
    if ($Run.Changed -eq 0) { Write-Line 'Nothing had to be changed' }
    if ($Run.ContainsKey('NewKey')) {
        Write-Line "A new key is in $($Run.NewKey). Routers need the same: copy the file to /etc/arpflush/key"
        Write-Line 'on each, over an encrypted connection (scp), mode 600, and remove every other copy.'
    }
    Write-Line ''
    Show-Status
}

# What -WhatIf or an answer to -Confirm left undone; without it there is nothing to be judged.
function Write-LeftOut {
    if (-not $WhatIfPreference) { Write-Line "Left out: $($Run.Declined -join ', ')" }
    0
}

function Write-UninstallEnd {
    if ($Run.Declined.Count -gt 0) { return Write-LeftOut }
    if ($Run.Changed -eq 0) { Write-Line 'Nothing had to be removed' }
    elseif (-not $Purge) { Write-Line 'Settings and key are kept; -Purge removes them too' }
    if ($Run.ContainsKey('Marked') -and $Run.Marked) {
        $Host.UI.WriteErrorLine('The service is marked for deletion (1072) and goes when the last program that')
        $Host.UI.WriteErrorLine('has it open is closed: services.msc, Task Manager, a monitoring agent.')
        return 1
    }
    if ($Json) { $PSCmdlet.WriteObject('{"health":"not installed"}') }
    0
}

$isFinished = $false
$exitCode = 1
try {
    $SourceFolder = if ($Source -eq '') { $PSScriptRoot } else {
        $PSCmdlet.GetUnresolvedProviderPathFromPSPath($Source).TrimEnd('\')
    }
    if ($GenerateKey -and $KeyFile -ne '') { Stop-BeforeChange '-KeyFile and -GenerateKey conflict' }
    $GivenKey = if ($KeyFile -eq '') { $null } else {
        Read-GivenKey $PSCmdlet.GetUnresolvedProviderPathFromPSPath($KeyFile)
    }
    $Given = Get-GivenSettings $PSBoundParameters
    $exitCode = Invoke-Action
    $isFinished = $true
} catch {
    $problem = Get-Reason $_.Exception
    Write-Failure $problem
    if ($problem.Data.Contains('ExitCode')) { $exitCode = $problem.Data['ExitCode'] }
} finally {
    # Also after Ctrl+C.
    if (-not $isFinished) { Undo-Steps }
}
exit $exitCode
