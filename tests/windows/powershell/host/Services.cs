// The state of a service, asked of the service control manager itself: sc.exe is a double here.
using System;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace ArpFlush.Tests;

internal static partial class Services
{
    private const uint Connect = 1;
    private const uint QueryStatus = 4;
    private const int DoesNotExist = 1060;

    /// <summary>dwCurrentState as a number, or "absent".</summary>
    public static string State(string name)
    {
        var manager = OpenSCManagerW(null, null, Connect);
        if (manager == 0) throw new Win32Exception();
        try
        {
            var service = OpenServiceW(manager, name, QueryStatus);
            if (service == 0)
            {
                var error = Marshal.GetLastPInvokeError();
                return error == DoesNotExist ? "absent" : throw new Win32Exception(error);
            }
            try
            {
                var status = new uint[7];
                return QueryServiceStatus(service, status)
                    ? status[1].ToString()
                    : throw new Win32Exception();
            }
            finally
            {
                CloseServiceHandle(service);
            }
        }
        finally
        {
            CloseServiceHandle(manager);
        }
    }

    [LibraryImport("advapi32", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    private static partial nint OpenSCManagerW(string? machine, string? database, uint access);

    [LibraryImport("advapi32", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    private static partial nint OpenServiceW(nint manager, string name, uint access);

    [LibraryImport("advapi32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool QueryServiceStatus(nint service, [Out] uint[] status);

    [LibraryImport("advapi32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CloseServiceHandle(nint handle);
}
