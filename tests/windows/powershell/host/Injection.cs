// Makes a step of install.ps1 fail, without a hook in the script: the syntax tree says where the
// blocks of the steps are, and a throw is put in.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Management.Automation.Language;

namespace ArpFlush.Tests;

/// <param name="Step">Which of the steps as they are written in the script, from 0.</param>
/// <param name="At">start or end of its Do block.</param>
internal sealed record Injection(int Step, string At)
{
    public const string Text = "injected failure";

    public string Into(string script)
    {
        var (start, end) = Blocks(Parse(script))[Step];
        var offset = At switch
        {
            "start" => start,
            "end" => end,
            _ => throw new ArgumentException($"\"{At}\" is neither start nor end"),
        };
        return script.Insert(offset, $"; throw '{Text}'; ");
    }

    public static ScriptBlockAst Parse(string script)
    {
        var tree = Parser.ParseInput(script, out _, out var errors);
        if (errors.Length > 0) throw new ArgumentException(errors[0].ToString());
        return tree;
    }

    /// <summary>First and last offset inside each Do block of an Invoke-Step.</summary>
    public static List<(int Start, int End)> Blocks(ScriptBlockAst tree) =>
        tree.FindAll(node => node is CommandAst command &&
                command.GetCommandName() == "Invoke-Step", true)
            .SelectMany(command => command.FindAll(node => node is HashtableAst, true).Take(1))
            .SelectMany(table => ((HashtableAst)table).KeyValuePairs)
            .Where(pair => pair.Item1.Extent.Text == "Do")
            .Select(pair => (ScriptBlockExpressionAst)pair.Item2.Find(
                node => node is ScriptBlockExpressionAst, true))
            .Select(block => (
                block.ScriptBlock.EndBlock.Statements[0].Extent.StartOffset,
                block.Extent.EndOffset - 1))
            .ToList();
}
