# Has PSScriptAnalyzer read a list of texts, and tells what it finds in each: a list of a line a finding.
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot\plans.ps1"
Import-Module Z:\analyzer\PSScriptAnalyzer.psd1
while ($texts = Receive-Plan) {
    Send-Answer @(foreach ($text in $texts) {
            , @(Invoke-ScriptAnalyzer -ScriptDefinition $text -Settings "$PSScriptRoot\PSScriptAnalyzerSettings.psd1" |
                    ForEach-Object { "$($_.Line): $($_.RuleName): $($_.Message)" })
        })
}
