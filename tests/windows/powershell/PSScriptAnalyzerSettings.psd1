# For Invoke-ScriptAnalyzer -Settings. Windows PowerShell 5.1 is what Windows Server 2016 to 2025 have of themselves.
@{
    IncludeDefaultRules = $true
    Rules = @{
        PSUseCompatibleSyntax = @{ Enable = $true; TargetVersions = @('5.1', '7.0') }
        PSUseCompatibleCommands = @{
            Enable = $true
            TargetProfiles = @('win-8_x64_10.0.14393.0_5.1.14393.2791_x64_4.0.30319.42000_framework')
        }
    }
}
