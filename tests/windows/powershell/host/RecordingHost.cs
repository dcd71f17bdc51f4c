// A PSHost without a screen: it keeps every line with its stream and answers prompts from a list.
using System;
using System.Collections.Generic;
using System.Collections.ObjectModel;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;

namespace ArpFlush.Tests;

/// <summary>One line that came out, and where: output, error, verbose, warning or host.</summary>
internal sealed record Line(string Stream, string Text);

internal sealed class RecordingHost(Queue<string> answers) : PSHost
{
    private readonly RecordingInterface ui = new(answers);

    public List<Line> Lines => ui.Lines;
    /// <summary>What `exit` outside a script file asks for.</summary>
    public int? AskedExitCode { get; private set; }

    public override string Name => "ArpFlush test host";
    public override Version Version => new(1, 0);
    public override Guid InstanceId { get; } = Guid.NewGuid();
    public override PSHostUserInterface UI => ui;
    public override CultureInfo CurrentCulture => CultureInfo.InvariantCulture;
    public override CultureInfo CurrentUICulture => CultureInfo.InvariantCulture;
    public override void SetShouldExit(int exitCode) => AskedExitCode = exitCode;
    public override void EnterNestedPrompt() => throw new NotSupportedException();
    public override void ExitNestedPrompt() => throw new NotSupportedException();
    public override void NotifyBeginApplication() { }
    public override void NotifyEndApplication() { }
}

internal sealed class RecordingInterface(Queue<string> answers) : PSHostUserInterface
{
    private string unfinished = "";

    public List<Line> Lines { get; } = [];
    public override PSHostRawUserInterface? RawUI => null;

    public override void Write(string value) => unfinished += value;
    public override void Write(ConsoleColor f, ConsoleColor b, string value) => unfinished += value;
    public override void WriteLine(string value)
    {
        // -WhatIf is told this way.
        Lines.Add(new Line("host", unfinished + value));
        unfinished = "";
    }

    public override void WriteErrorLine(string value) => Lines.Add(new Line("error", value));
    public override void WriteVerboseLine(string value) => Lines.Add(new Line("verbose", value));
    public override void WriteWarningLine(string value) => Lines.Add(new Line("warning", value));
    public override void WriteDebugLine(string value) => Lines.Add(new Line("debug", value));
    public override void WriteProgress(long sourceId, ProgressRecord record) { }

    public override int PromptForChoice(
        string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice)
    {
        Lines.Add(new Line("prompt", message));
        if (answers.Count == 0) throw new InvalidOperationException($"No answer to \"{message}\"");
        var answer = answers.Dequeue();
        for (var i = 0; i < choices.Count; i++)
        {
            if (choices[i].Label.Replace("&", "") == answer) return i;
        }
        throw new InvalidOperationException($"\"{answer}\" can't be chosen");
    }

    public override string ReadLine() => throw new NotSupportedException();
    public override SecureString ReadLineAsSecureString() => throw new NotSupportedException();
    public override Dictionary<string, PSObject> Prompt(
        string caption, string message, Collection<FieldDescription> descriptions) =>
        throw new InvalidOperationException($"Asked for a missing parameter: {message}");
    public override PSCredential PromptForCredential(
        string caption, string message, string userName, string targetName) =>
        throw new NotSupportedException();
    public override PSCredential PromptForCredential(
        string caption, string message, string userName, string targetName,
        PSCredentialTypes allowed, PSCredentialUIOptions options) =>
        throw new NotSupportedException();
}
