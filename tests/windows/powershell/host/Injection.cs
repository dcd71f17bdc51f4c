// Makes a step of install.ps1 fail, without a hook in the script: the syntax tree says where a step is
// done, and a throw is put in.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Management.Automation.Language;

namespace ArpFlush.Tests;

/// <param name="Step">The step's Name when the script runs.</param>
/// <param name="At">start or end of its Do block.</param>
internal sealed record Injection(string Step, string At)
{
    public string Into(string script)
    {
        var tree = Parser.ParseInput(script, out _, out var errors);
        if (errors.Length > 0) throw new ArgumentException(errors[0].ToString());
        if (!InstallerStep.All(tree).Any(step => step.Names.Contains(Step)))
            throw new ArgumentException($"No step is named \"{Step}\"");
        var call = tree.FindAll(node => node is CommandAst command &&
            command.InvocationOperator == TokenKind.Ampersand &&
            command.CommandElements[0].Extent.Text == "$step.Do", true).Single().Extent;
        var offset = At switch
        {
            "start" => call.StartOffset,
            "end" => call.EndOffset,
            _ => throw new ArgumentException($"\"{At}\" is neither start nor end"),
        };
        return script.Insert(offset, $"; if ($step.Name -eq '{Step}') {{ throw 'injected failure' }}; ");
    }
}

/// <summary>A step of install.ps1: the hashtable that Invoke-Step is given.</summary>
/// <param name="Names">What its Name can be.</param>
internal sealed record InstallerStep(string[] Names, string[] Keys)
{
    public static List<InstallerStep> All(ScriptBlockAst tree) =>
        tree.FindAll(node => node is CommandAst command &&
                command.GetCommandName() is "Invoke-Step", true)
            .Select(node => FromCommand((CommandAst)node)).ToList();

    private static InstallerStep FromCommand(CommandAst command)
    {
        var table = (HashtableAst)command.Find(node => node is HashtableAst, true);
        var name = table.KeyValuePairs.Single(pair => pair.Item1.Extent.Text == "Name").Item2;
        return new InstallerStep(
            [.. name.FindAll(node => node is StringConstantExpressionAst, true)
                .Select(node => ((StringConstantExpressionAst)node).Value)],
            [.. table.KeyValuePairs.Select(pair => pair.Item1.Extent.Text)
                .Order(StringComparer.Ordinal)]);
    }
}
