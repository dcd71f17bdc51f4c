# Has PSScriptAnalyzer read a list of texts, and writes what it finds in each: a list of a line a finding.
param([string] $Plan, [string] $Result)
$ErrorActionPreference = 'Stop'
Import-Module Z:\analyzer\PSScriptAnalyzer.psd1
$found = foreach ($text in Get-Content -Raw $Plan | ConvertFrom-Json) {
    , @(Invoke-ScriptAnalyzer -ScriptDefinition $text -Settings "$PSScriptRoot\PSScriptAnalyzerSettings.psd1" |
            ForEach-Object { "$($_.Line): $($_.RuleName): $($_.Message)" })
}
ConvertTo-Json @($found) -Compress | Set-Content $Result
