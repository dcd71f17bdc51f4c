# Dot-sourced by what startPowerShell of installer.ts starts: takes one plan after the other, and answers it.

function Receive-Plan {
    while (-not [IO.File]::Exists('Z:\shared\plan.json')) { [Threading.Thread]::Sleep(20) }
    $plan = [IO.File]::ReadAllText('Z:\shared\plan.json')
    [IO.File]::Delete('Z:\shared\plan.json')
    , (ConvertFrom-Json $plan -AsHashtable)
}

function Send-Answer([object[]] $answer) {
    [IO.File]::WriteAllText('Z:\shared\answer.new', (ConvertTo-Json $answer -Depth 6 -Compress))
    [IO.File]::Move('Z:\shared\answer.new', 'Z:\shared\answer.json')
}
