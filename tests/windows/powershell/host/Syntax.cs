// Facts of a script's syntax tree as JSON, for the rules in syntax_test.ts.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Management.Automation.Language;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.Json;

namespace ArpFlush.Tests;

internal static class Syntax
{
    public static string Describe(string path, string referenceFolder)
    {
        var tree = Parser.ParseFile(path, out var tokens, out var errors);
        var nodes = tree.FindAll(_ => true, true).ToList();
        var framework = new Framework(referenceFolder);
        var help = tree.GetHelpContent();
        var facts = new
        {
            errors = errors.Select(error => error.ToString()),
            nodeKinds = nodes.Select(node => node.GetType().Name).Distinct().Order(),
            tokenKinds = tokens.Select(token => token.Kind.ToString()).Distinct().Order(),
            background = nodes.OfType<PipelineAst>().Any(pipeline => pipeline.Background),
            strings = nodes.OfType<StringConstantExpressionAst>().Select(text => text.Extent.Text)
                .Concat(nodes.OfType<ExpandableStringExpressionAst>().Select(text => text.Extent.Text)),
            numbers = nodes.OfType<ConstantExpressionAst>()
                .Where(constant => constant is not StringConstantExpressionAst)
                .Select(constant => constant.Extent.Text).Distinct(),
            functions = nodes.OfType<FunctionDefinitionAst>()
                .Select(function => new { function.Name, lines = Lines(function.Extent) }),
            commands = nodes.OfType<CommandAst>().Select(command => new
            {
                name = command.GetCommandName(),
                invocation = command.InvocationOperator.ToString(),
                text = command.Extent.Text.Split('\n')[0],
                line = command.Extent.StartLineNumber,
                function = Enclosing(command),
            }),
            variables = nodes.OfType<VariableExpressionAst>()
                .Select(variable => variable.VariablePath.UserPath).Distinct().Order(),
            binaryOperators = nodes.OfType<BinaryExpressionAst>()
                .Select(expression => expression.Operator.ToString()).Distinct().Order(),
            replacementBlocks = nodes.OfType<BinaryExpressionAst>().Where(expression =>
                    expression.Operator is TokenKind.Ireplace or TokenKind.Creplace &&
                    expression.Right.Find(node => node is ScriptBlockExpressionAst, true) is not null)
                .Select(expression => expression.Extent.Text),
            types = TypeNames(nodes).Distinct().Order()
                .Select(name => new { name, known = framework.FindType(name) is not null }),
            members = nodes.OfType<MemberExpressionAst>().Select(member => Member(member, framework))
                .DistinctBy(member => (member.Type, member.Name, member.Count))
                .OrderBy(member => member.Name, StringComparer.Ordinal),
            steps = InstallerStep.All(tree),
            parameters = tree.ParamBlock.Parameters
                .Select(parameter => parameter.Name.VariablePath.UserPath),
            help = new
            {
                synopsis = help?.Synopsis?.Trim(),
                description = help?.Description?.Trim(),
                parameters = help?.Parameters.ToDictionary(
                    parameter => parameter.Key, parameter => parameter.Value.Trim()),
                examples = help?.Examples.Select(example => example.Trim()),
            },
        };
        return JsonSerializer.Serialize(facts, JsonSerializerOptions.Web);
    }

    private sealed record MemberFact(
        string? Type, string Name, int? Count, bool IsStatic, bool Known, int Line);

    /// <summary>Count is null for a property; Known by the type, or by any type if it isn't written.</summary>
    private static MemberFact Member(MemberExpressionAst member, Framework framework)
    {
        var type = member.Static ? (member.Expression as TypeExpressionAst)?.TypeName.FullName : null;
        var name = (member.Member as StringConstantExpressionAst)?.Value ?? "(computed)";
        int? count = member is InvokeMemberExpressionAst call ? call.Arguments?.Count ?? 0 : null;
        var known = type is null
            ? framework.HasMember(name, count)
            : framework.HasStatic(type, name, count);
        return new MemberFact(type, name, count, member.Static, known, member.Extent.StartLineNumber);
    }

    private static IEnumerable<string> TypeNames(IEnumerable<Ast> nodes) => nodes.SelectMany(node =>
        node switch
        {
            TypeExpressionAst type => [type.TypeName.FullName],
            ConvertExpressionAst convert => [convert.Type.TypeName.FullName],
            TypeConstraintAst constraint => [constraint.TypeName.FullName],
            _ => Array.Empty<string>(),
        });

    private static string? Enclosing(Ast node)
    {
        for (var parent = node.Parent; parent is not null; parent = parent.Parent)
            if (parent is FunctionDefinitionAst function) return function.Name;
        return null;
    }

    private static int Lines(IScriptExtent extent) =>
        extent.EndLineNumber - extent.StartLineNumber + 1;
}

/// <summary>What .NET Framework has, from its reference assemblies.</summary>
internal sealed class Framework
{
    /// <summary>PowerShell's own names of types, as Windows PowerShell 5.1 has them.</summary>
    private static readonly Dictionary<string, string> Accelerators =
        new(StringComparer.OrdinalIgnoreCase)
        {
            ["string"] = "System.String", ["int"] = "System.Int32", ["bool"] = "System.Boolean",
            ["byte"] = "System.Byte", ["object"] = "System.Object", ["char"] = "System.Char",
            ["switch"] = "System.Object", ["void"] = "System.Void", ["array"] = "System.Array",
            ["hashtable"] = "System.Collections.Hashtable",
            ["ordered"] = "System.Collections.Specialized.OrderedDictionary",
            ["securestring"] = "System.Security.SecureString",
            ["scriptblock"] = "System.Object", ["regex"] = "System.Text.RegularExpressions.Regex",
            ["xml"] = "System.Xml.XmlDocument", ["datetime"] = "System.DateTime",
            ["pscustomobject"] = "System.Object", ["Exception"] = "System.Exception",
            ["Management.Automation.RuntimeException"] = "System.Object",
        };

    private readonly Dictionary<string, List<(string Name, int? Count, bool IsStatic)>> types =
        new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<(string, int?)> instanceMembers = [];

    public Framework(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*.dll"))
        {
            using var stream = File.OpenRead(file);
            using var image = new PEReader(stream);
            if (!image.HasMetadata) continue;
            Read(image.GetMetadataReader());
        }
    }

    private void Read(MetadataReader reader)
    {
        foreach (var handle in reader.TypeDefinitions)
        {
            var type = reader.GetTypeDefinition(handle);
            var name = $"{reader.GetString(type.Namespace)}.{reader.GetString(type.Name)}";
            if (!types.TryGetValue(name, out var members)) types[name] = members = [];
            foreach (var method in type.GetMethods().Select(reader.GetMethodDefinition))
            {
                var count = method.GetParameters().Select(reader.GetParameter)
                    .Count(parameter => parameter.SequenceNumber > 0);
                var isStatic = (method.Attributes & System.Reflection.MethodAttributes.Static) != 0;
                Add(members, reader.GetString(method.Name), count, isStatic);
            }
            foreach (var property in type.GetProperties().Select(reader.GetPropertyDefinition))
            {
                var getter = property.GetAccessors().Getter;
                var isStatic = !getter.IsNil && (reader.GetMethodDefinition(getter).Attributes &
                    System.Reflection.MethodAttributes.Static) != 0;
                Add(members, reader.GetString(property.Name), null, isStatic);
            }
            foreach (var field in type.GetFields().Select(reader.GetFieldDefinition))
            {
                var isStatic = (field.Attributes & System.Reflection.FieldAttributes.Static) != 0;
                Add(members, reader.GetString(field.Name), null, isStatic);
            }
        }
    }

    private void Add(List<(string, int?, bool)> members, string name, int? count, bool isStatic)
    {
        members.Add((name, count, isStatic));
        if (!isStatic) instanceMembers.Add((name, count));
    }

    public string? FindType(string name)
    {
        var bare = name.Replace("[]", "");
        string[] candidates = [Accelerators.GetValueOrDefault(bare, bare), bare, $"System.{bare}"];
        return candidates.FirstOrDefault(types.ContainsKey);
    }

    public bool HasStatic(string type, string name, int? count)
    {
        if (FindType(type) is not { } found) return false;
        return types[found].Any(member => name == "new"
            ? member.Name == ".ctor" && member.Count == count
            : member.IsStatic && member.Name == name && member.Count == count);
    }

    public bool HasMember(string name, int? count) => instanceMembers.Contains((name, count));
}
