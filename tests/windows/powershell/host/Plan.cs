// A list of runs in one process: starting .NET costs two seconds under Wine, a run much less.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ArpFlush.Tests;

/// <summary>One run of a script. What is left out has the value it usually has.</summary>
internal sealed record PlannedRun
{
    public required string Script { get; init; }
    /// <summary>By name: text, number, true for a switch, list, or {"secret": "…"}.</summary>
    public Dictionary<string, JsonElement> Parameters { get; init; } = [];
    /// <summary>Given: the script's text is run as a script block with these.</summary>
    public string[]? Positions { get; init; }
    /// <summary>$PSNativeCommandArgumentPassing: Legacy, Standard or Windows.</summary>
    public string? ArgumentPassing { get; init; }
    public string[] Answers { get; init; } = [];
    /// <summary>Environment variables of this run, which the doubles see too.</summary>
    public Dictionary<string, string> Environment { get; init; } = [];
    public Injection? Inject { get; init; }
    /// <summary>Whether the machine's state is taken before and after.</summary>
    public bool Snapshot { get; init; }
}

internal sealed record RunReport(
    int ExitCode, List<Line> Lines, string[]? Before, string[]? After, long Milliseconds);

internal static class Plan
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    public static string Run(string planText)
    {
        var plan = JsonSerializer.Deserialize<PlannedRun[]>(planText, Json)!;
        return JsonSerializer.Serialize(plan.Select(Run).ToArray(), Json);
    }

    private static RunReport Run(PlannedRun planned)
    {
        var before = planned.Snapshot ? Machine.Describe() : null;
        // Beside the script: its own folder is where it installs from.
        var script = planned.Inject is null ? planned.Script : planned.Script + ".injected.ps1";
        if (planned.Inject is not null)
            File.WriteAllText(script, planned.Inject.Into(File.ReadAllText(planned.Script)));
        // A double that is told to fail does so once a run.
        if (System.Environment.GetEnvironmentVariable("ARPFLUSH_DOUBLES") is { } calls)
            File.Delete(calls + ".failed");
        foreach (var (name, value) in planned.Environment)
            System.Environment.SetEnvironmentVariable(name, value);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var result = Session.Run(
            script, planned.Parameters.ToDictionary(p => p.Key, p => ToValue(p.Value)),
            planned.Positions, planned.ArgumentPassing, planned.Answers);
        foreach (var name in planned.Environment.Keys)
            System.Environment.SetEnvironmentVariable(name, null);
        var time = watch.ElapsedMilliseconds;
        var after = planned.Snapshot ? Machine.Describe() : null;
        return new RunReport(result.ExitCode, result.Lines, before, after, time);
    }

    private static object ToValue(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number => value.GetInt32(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Array => value.EnumerateArray().Select(ToValue).ToArray(),
        JsonValueKind.Object => ToSecret(value.GetProperty("secret").GetString()!),
        _ => throw new JsonException($"Cannot pass {value.ValueKind} to a script"),
    };

    private static SecureString ToSecret(string text)
    {
        var secret = new SecureString();
        foreach (var character in text) secret.AppendChar(character);
        return secret;
    }
}
