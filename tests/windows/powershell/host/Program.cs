// Runs install.ps1 in PowerShell 7's own engine (NuGet package System.Management.Automation), which
// is what `pwsh -File` would do. No cmdlet is added: the script sees only those of the engine itself.
//
//   PowerShellHost run PLAN RESULT       runs what PLAN lists (Plan.cs), writes what came out
//   PowerShellHost file SCRIPT [ARG …]   runs one script for people, output on the console
//   PowerShellHost syntax SCRIPT FOLDER  prints facts of the syntax tree (Syntax.cs); FOLDER holds
//                                        the reference assemblies of .NET Framework
using System;
using System.IO;
using System.Linq;

namespace ArpFlush.Tests;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["run", var plan, var result]:
                File.WriteAllText(result, Plan.Run(File.ReadAllText(plan)));
                return 0;
            case ["file", var script, .. var rest]:
                var run = Session.RunCommandLine(script, rest);
                foreach (var line in run.Lines) Console.WriteLine(line.Text);
                return run.ExitCode;
            case ["syntax", var script, var folder]:
                Console.WriteLine(Syntax.Describe(script, folder));
                return 0;
            default:
                Console.Error.WriteLine("Usage: PowerShellHost run|file|syntax …, see Program.cs");
                return 2;
        }
    }
}
