# Runs install.ps1 as often as each plan says, with the doubles in place, and tells what came of each run: exit
# code, lines, the machine's state before and after, faults.
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot\plans.ps1"
. "$PSScriptRoot\doubles\doubles.ps1"

# Takes away all that earlier runs have left.
function Clear-Machine {
    Set-Location C:\
    $global:Held | Where-Object { $_ } | ForEach-Object { $_.Dispose() }
    if (Get-Service ArpFlush -ErrorAction Ignore) {
        Stop-Service ArpFlush
        Remove-Service ArpFlush
    }
    Get-Process arpflush-service -ErrorAction Ignore | Wait-Process
    $paths = 'HKLM:\SOFTWARE\NPSL', 'HKLM:\SOFTWARE\Double', 'C:\firewall.json', 'C:\Program Files\ArpFlush*',
    'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\ArpFlush'
    Remove-Item $paths -Recurse -Force -ErrorAction Ignore
}

# What install.ps1 may change, a line a fact; nothing that changes by itself.
function Get-Machine {
    foreach ($root in 'SOFTWARE\NPSL', 'SYSTEM\CurrentControlSet\Services\ArpFlush',
        'SYSTEM\CurrentControlSet\Services\EventLog\Application\ArpFlush') {
        if (-not (Test-Path "HKLM:\$root")) { continue }
        foreach ($key in @(Get-Item "HKLM:\$root") + @(Get-ChildItem -Recurse "HKLM:\$root")) {
            "key $($key.Name)"
            foreach ($name in $key.GetValueNames() | Sort-Object) {
                "value $($key.Name) $name $($key.GetValueKind($name)) " +
                (@($key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')) -join ' | ')
            }
        }
    }
    if (Test-Path 'HKLM:\SOFTWARE\NPSL\ArpFlush') { "access $((Get-Acl 'HKLM:\SOFTWARE\NPSL\ArpFlush').Sddl)" }
    foreach ($path in Get-ChildItem 'C:\Program Files' -Filter 'ArpFlush*' -Recurse) {
        if ($path.PSIsContainer) { "folder $path" } else { "file $path $((Get-FileHash -LiteralPath $path).Hash)" }
    }
    "folders $(@(Get-ChildItem 'C:\Program Files' -Directory).Name -match '^ArpFlush') data $(Test-Path 'C:\ProgramData\ArpFlush')"
    foreach ($rule in (Get-Store).Rules) {
        "rule $(@($rule.Keys | Sort-Object | ForEach-Object { "$_=$($rule[$_] -join ",")" }) -join " ")"
    }
    $service = Get-Service ArpFlush -ErrorAction SilentlyContinue
    "service $(if ($service) { $service.Status } else { 'absent' })"
}

# A value of the plan; a hashtable with "secret" is a password.
function ConvertTo-Parameter($value) {
    if ($value -is [hashtable]) { return ConvertTo-SecureString $value.secret -AsPlainText -Force }
    , $value
}

# In a runspace of its own: as a policy has it that doesn't know the script, or as Invoke-Command -FilePath does it
# on the other host, which gets the text alone, and arguments by position.
function Invoke-InRunspace($run) {
    $runspace = [runspacefactory]::CreateRunspace($Host)
    $runspace.Open()
    $shell = [powershell]::Create($runspace)
    if ($run.constrained) {
        $runspace.SessionStateProxy.LanguageMode = 'ConstrainedLanguage'
        $null = $shell.AddCommand($run.script).AddArgument('install')
    } else {
        $text = Get-Content -Raw -LiteralPath $run.script
        $null = $shell.AddScript(". '$PSScriptRoot\doubles\doubles.ps1'").AddStatement().AddScript($text)
        foreach ($position in $run.positions) { $null = $shell.AddArgument($position) }
    }
    $output = @($shell.Invoke()) + @($shell.Streams.Warning)
    $output, $runspace.SessionStateProxy.GetVariable('LASTEXITCODE')
    $runspace.Dispose()
}

# As somebody whose token has Administrators only for what they are refused.
function Invoke-Unelevated([string] $script) {
    $native = Add-Type -PassThru -Name Native -Namespace Tests -MemberDefinition '
        [StructLayout(LayoutKind.Sequential)] public struct Group { public IntPtr Sid; public uint Attributes; }
        [DllImport("advapi32.dll")] public static extern bool CreateRestrictedToken(IntPtr token, uint flags,
            uint count, ref Group groups, uint none, IntPtr privileges, uint no, IntPtr restricted, out IntPtr made);
        [DllImport("advapi32.dll")] public static extern bool ImpersonateLoggedOnUser(IntPtr token);
        [DllImport("advapi32.dll")] public static extern bool RevertToSelf();' | Select-Object -First 1
    $sid = [Security.Principal.SecurityIdentifier] 'S-1-5-32-544'
    $bytes = [byte[]]::new($sid.BinaryLength)
    $sid.GetBinaryForm($bytes, 0)
    $group = [Activator]::CreateInstance($native.GetNestedType('Group'))
    $group.Sid = [Runtime.InteropServices.Marshal]::AllocHGlobal($bytes.Length)
    [Runtime.InteropServices.Marshal]::Copy($bytes, 0, $group.Sid, $bytes.Length)
    $token = [IntPtr]::Zero
    $own = [Security.Principal.WindowsIdentity]::GetCurrent(
        [Security.Principal.TokenAccessLevels]::MaximumAllowed).Token
    if (-not $native::CreateRestrictedToken($own, 0, 1, [ref] $group, 0, 0, 0, 0, [ref] $token) -or
        -not $native::ImpersonateLoggedOnUser($token)) { throw 'no restricted token' }
    try {
        $output = @(& $script install *>&1)
        $output, $LASTEXITCODE
    } finally { $null = $native::RevertToSelf() }
}

function Invoke-Run($run) {
    if ($run.fresh) { Clear-Machine }
    if ($run.before) { $null = Invoke-Expression $run.before }
    $global:Events = @($run.events | Where-Object { $_ })
    if ($run.events -is [string]) { $global:Events = $null }
    $parameters = @{}
    foreach ($name in $run.parameters.Keys) { $parameters[$name] = ConvertTo-Parameter $run.parameters[$name] }
    $before = @(Get-Machine)
    $global:Faults = @(foreach ($fault in $run.faults) {
            @{ Kind = $fault.kind; At = $fault.at; Count = 0; Met = ''; Errors = @(); Refused = [ordered] @{} }
        })
    # What goes to the console alone: errors, and what -WhatIf says.
    $errorText, $hostText = [IO.StringWriter]::new(), [IO.StringWriter]::new()
    $stderr, $stdout = [Console]::Error, [Console]::Out
    [Console]::SetError($errorText)
    [Console]::SetOut($hostText)
    $WarningPreference = 'Continue'
    try {
        if ($run.constrained -or $run.positions) { $output, $exitCode = Invoke-InRunspace $run }
        elseif ($run.unelevated) { $output, $exitCode = Invoke-Unelevated $run.script }
        else {
            $output = & $run.script @parameters *>&1
            $exitCode = $LASTEXITCODE
        }
    } finally {
        [Console]::SetError($stderr)
        [Console]::SetOut($stdout)
    }
    $found = $global:Faults
    $global:Faults = @()
    @{
        exitCode = $exitCode; before = $before; after = @(Get-Machine)
        lines = @(foreach ($one in $output) { "$one" }) + @("$hostText$errorText" -split '\r?\n' -ne '')
        faults = @(foreach ($one in $found) { @{ met = $one.Met; count = $one.Count; errors = $one.Errors; refused = $one.Refused } })
    }
}

while ($runs = Receive-Plan) { Send-Answer @(foreach ($run in $runs) { Invoke-Run $run }) }
