// One run of a script in a PowerShell of its own.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace ArpFlush.Tests;

internal sealed record RunResult(int ExitCode, List<Line> Lines);

internal static class Session
{
    /// <summary>
    /// Runs a script file with parameters by name, or (as Invoke-Command -FilePath does) the script's
    /// text as a script block with arguments by position.
    /// </summary>
    public static RunResult Run(
        string script, IDictionary<string, object> parameters, object[]? positions,
        string? argumentPassing, IEnumerable<string> answers)
    {
        return Run(answers, argumentPassing, shell =>
        {
            if (positions is null)
            {
                shell.AddCommand(script).AddParameters(ToHashtable(parameters));
                return;
            }
            var block = ScriptBlock.Create(File.ReadAllText(script));
            shell.AddScript("param($block, $positions) & $block @positions")
                .AddArgument(block).AddArgument(positions);
        });
    }

    /// <summary>Runs a script as `pwsh -File SCRIPT ARG …` does: -Name words name parameters.</summary>
    public static RunResult RunCommandLine(string script, string[] arguments)
    {
        return Run([], null, shell =>
        {
            shell.AddCommand(script);
            for (var i = 0; i < arguments.Length; i++)
            {
                if (!arguments[i].StartsWith('-')) shell.AddArgument(arguments[i]);
                else if (i + 1 < arguments.Length && !arguments[i + 1].StartsWith('-'))
                    shell.AddParameter(arguments[i][1..], arguments[++i]);
                else shell.AddParameter(arguments[i][1..]);
            }
        });
    }

    private static RunResult Run(
        IEnumerable<string> answers, string? argumentPassing, Action<PowerShell> prepare)
    {
        var host = new RecordingHost(new Queue<string>(answers));
        var state = InitialSessionState.CreateDefault2();
        if (OperatingSystem.IsWindows())
            state.ExecutionPolicy = Microsoft.PowerShell.ExecutionPolicy.Bypass;
        using var runspace = RunspaceFactory.CreateRunspace(host, state);
        runspace.Open();
        if (argumentPassing is not null)
            runspace.SessionStateProxy.SetVariable(
                "PSNativeCommandArgumentPassing",
                Enum.Parse<NativeArgumentPassingStyle>(argumentPassing));
        using var shell = PowerShell.Create(runspace);
        prepare(shell);
        var output = new PSDataCollection<PSObject>();
        // In the order in which they come out, among the lines of the other streams.
        output.DataAdded += (_, added) =>
            host.Lines.Add(new Line("output", output[added.Index]?.ToString() ?? ""));
        var exitCode = 0;
        try
        {
            shell.Invoke(null, output, null);
            exitCode = host.AskedExitCode ??
                runspace.SessionStateProxy.GetVariable("LASTEXITCODE") as int? ?? 0;
        }
        catch (RuntimeException error)
        {
            host.Lines.Add(new Line("error", error.Message));
            exitCode = 1;
        }
        foreach (var error in shell.Streams.Error)
            host.Lines.Add(new Line("error", error.ToString()));
        return new RunResult(exitCode, host.Lines);
    }

    private static System.Collections.Hashtable ToHashtable(IDictionary<string, object> values)
    {
        var table = new System.Collections.Hashtable();
        foreach (var (name, value) in values) table[name] = value;
        return table;
    }
}
