// PowerShell's own start, as in Microsoft's pwsh.exe, for the tests of install.ps1.
static class Program
{
    static int Main(string[] arguments) => Microsoft.PowerShell.UnmanagedPSEntry.Start(arguments, arguments.Length);
}
