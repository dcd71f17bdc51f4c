// The state of a machine that install.ps1 may change, as lines that can be compared.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.Versioning;
using System.Security.AccessControl;
using System.Security.Cryptography;
using Microsoft.Win32;

namespace ArpFlush.Tests;

internal static class Machine
{
    private static readonly string[] Keys =
    [
        @"SOFTWARE\NPSL",
        @"SYSTEM\CurrentControlSet\Services\ArpFlush",
        @"SYSTEM\CurrentControlSet\Services\EventLog\Application\ArpFlush",
        @"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules",
    ];

    private static readonly Environment.SpecialFolder[] Places =
    [
        Environment.SpecialFolder.ProgramFiles,
        Environment.SpecialFolder.CommonApplicationData,
    ];

    public static string[] Describe()
    {
        if (!OperatingSystem.IsWindows()) return [];
        var lines = new List<string>();
        using var machine = RegistryKey.OpenBaseKey(RegistryHive.LocalMachine, RegistryView.Registry64);
        foreach (var path in Keys) DescribeKey(machine, path, lines);
        foreach (var place in Places)
        {
            var folder = Path.Combine(Environment.GetFolderPath(place), "ArpFlush");
            if (!Directory.Exists(folder)) continue;
            lines.Add($"folder {folder}");
            lines.AddRange(Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal).Select(DescribeFile));
        }
        lines.Add($"service {Services.State("ArpFlush")}");
        return [.. lines];
    }

    [SupportedOSPlatform("windows")]
    private static void DescribeKey(RegistryKey machine, string path, List<string> lines)
    {
        using var key = machine.OpenSubKey(path);
        if (key is null) return;
        // Only the settings' own protection is ours to compare.
        var access = path.EndsWith(@"NPSL\ArpFlush", StringComparison.Ordinal)
            ? " " + key.GetAccessControl(AccessControlSections.Access)
                .GetSecurityDescriptorSddlForm(AccessControlSections.Access)
            : "";
        // The firewall's own key is there on every Windows.
        if (!path.EndsWith("FirewallRules", StringComparison.Ordinal)) lines.Add($"key {path}{access}");
        foreach (var name in key.GetValueNames().Order(StringComparer.OrdinalIgnoreCase))
        {
            var value = key.GetValue(name, null, RegistryValueOptions.DoNotExpandEnvironmentNames);
            var text = value switch
            {
                string[] list => string.Join(" | ", list),
                byte[] bytes => Convert.ToHexString(bytes),
                _ => value?.ToString() ?? "",
            };
            lines.Add($"value {path} {name} {key.GetValueKind(name)} {text}");
        }
        foreach (var name in key.GetSubKeyNames().Order(StringComparer.OrdinalIgnoreCase))
            DescribeKey(machine, $@"{path}\{name}", lines);
    }

    private static string DescribeFile(string path)
    {
        if (Directory.Exists(path)) return $"folder {path}";
        using var stream = File.OpenRead(path);
        return $"file {path} {Convert.ToHexString(SHA256.HashData(stream))}";
    }
}
