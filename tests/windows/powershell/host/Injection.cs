// Makes a step of install.ps1 fail, without a hook in the script: the syntax tree says where the
// blocks of the steps are, and a throw is put in.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Management.Automation.Language;

namespace ArpFlush.Tests;

/// <param name="Step">Part of the step's Name as it is written in the script.</param>
/// <param name="At">start or end of its Do block.</param>
internal sealed record Injection(string Step, string At)
{
    public const string Text = "injected failure";

    public string Into(string script)
    {
        var tree = Parser.ParseInput(script, out _, out var errors);
        if (errors.Length > 0) throw new ArgumentException(errors[0].ToString());
        var step = InstallerStep.All(tree).Single(candidate => candidate.Name.Contains($"'{Step}'"));
        var offset = At switch
        {
            "start" => step.Start,
            "end" => step.End,
            _ => throw new ArgumentException($"\"{At}\" is neither start nor end"),
        };
        return script.Insert(offset, $"; throw '{Text}'; ");
    }
}

/// <summary>A step of install.ps1: the hashtable that Invoke-Step or Invoke-Check is given.</summary>
/// <param name="Name">The source text of its Name.</param>
/// <param name="Start">First and last offset inside its Do block.</param>
internal sealed record InstallerStep(string Command, string Name, int Start, int End, string[] Keys)
{
    public static List<InstallerStep> All(ScriptBlockAst tree) =>
        tree.FindAll(node => node is CommandAst command &&
                command.GetCommandName() is "Invoke-Step" or "Invoke-Check", true)
            .Select(node => FromCommand((CommandAst)node)).ToList();

    private static InstallerStep FromCommand(CommandAst command)
    {
        var table = (HashtableAst)command.Find(node => node is HashtableAst, true);
        var pairs = table.KeyValuePairs.ToDictionary(pair => pair.Item1.Extent.Text, pair => pair.Item2);
        var block = (ScriptBlockExpressionAst)pairs["Do"].Find(
            node => node is ScriptBlockExpressionAst, true);
        return new InstallerStep(
            command.GetCommandName(),
            pairs["Name"].Extent.Text,
            block.ScriptBlock.EndBlock.Statements[0].Extent.StartOffset,
            block.Extent.EndOffset - 1,
            [.. pairs.Keys.Order(StringComparer.Ordinal)]);
    }
}
