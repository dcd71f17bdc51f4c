# Runs install.ps1 as often as a plan says, in one PowerShell, with the doubles in place, and writes what came
# of each run: exit code, lines by stream, the machine's state before and after, faults.
param([string] $Plan, [string] $Result)
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot\doubles\doubles.ps1"

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

# As Invoke-Command -FilePath does it on the other host: the text alone, arguments by position.
function Invoke-AsText([string] $script, [object[]] $positions) {
    $runspace = [runspacefactory]::CreateRunspace($Host)
    $runspace.Open()
    $shell = [powershell]::Create($runspace)
    $null = $shell.AddScript(". '$PSScriptRoot\doubles\doubles.ps1'").AddStatement().AddScript((Get-Content -Raw -LiteralPath $script))
    foreach ($position in $positions) { $null = $shell.AddArgument($position) }
    $output = @($shell.Invoke())
    $output, $runspace.SessionStateProxy.GetVariable('LASTEXITCODE')
    $runspace.Dispose()
}

# As a policy has it that doesn't know the script.
function Invoke-Constrained([string] $script) {
    $runspace = [runspacefactory]::CreateRunspace($Host)
    $runspace.Open()
    $runspace.SessionStateProxy.LanguageMode = 'ConstrainedLanguage'
    $shell = [powershell]::Create($runspace)
    $output = @($shell.AddCommand($script).AddArgument('install').Invoke()) + @($shell.Streams.Warning)
    $output, $runspace.SessionStateProxy.GetVariable('LASTEXITCODE')
    $runspace.Dispose()
}

$results = foreach ($run in Get-Content -Raw $Plan | ConvertFrom-Json -AsHashtable) {
    $global:Events = @($run.events | Where-Object { $_ })
    if ($run.before) { $null = Invoke-Expression $run.before }
    $parameters = @{}
    foreach ($name in $run.parameters.Keys) { $parameters[$name] = ConvertTo-Parameter $run.parameters[$name] }
    $before = @(Get-Machine)
    $global:Faults = @(foreach ($fault in $run.faults) {
            @{ Kind = $fault.kind; At = $fault.at; Count = 0; Met = ''; Errors = @(); Refused = [ordered] @{} }
        })
    $errorText = [IO.StringWriter]::new()
    $stderr = [Console]::Error
    [Console]::SetError($errorText)
    $WarningPreference = 'Continue'
    try {
        if ($run.constrained) { $output, $exitCode = Invoke-Constrained $run.script }
        elseif ($run.positions) { $output, $exitCode = Invoke-AsText $run.script $run.positions }
        else {
            $output = & $run.script @parameters *>&1
            $exitCode = $LASTEXITCODE
        }
    } finally { [Console]::SetError($stderr) }
    $found = $global:Faults
    $global:Faults = @()
    @{
        exitCode = $exitCode; before = $before; after = @(Get-Machine)
        lines = @(foreach ($one in $output) { @{ stream = $one.GetType().Name; text = "$one" } }) +
        @(foreach ($line in $errorText.ToString() -split '\r?\n' -ne '') { @{ stream = 'Error'; text = $line } })
        faults = @(foreach ($one in $found) { @{ met = $one.Met; count = $one.Count; errors = $one.Errors; refused = $one.Refused } })
    }
}
ConvertTo-Json @($results) -Depth 6 -Compress | Set-Content $Result
