// clrmd - what coreheap's types and roots are asked, answered by ClrMD with the runtime's own
// library.
//
// usage: dotnet clrmd.dll CORE LIBMSCORDACCORE types
//        dotnet clrmd.dll CORE LIBMSCORDACCORE gcroot ADDR
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Microsoft.Diagnostics.Runtime;

static class Clrmd
{
    static void Types(ClrHeap heap)
    {
        var sums = new Dictionary<ClrType, (long Count, ulong Bytes)>();
        foreach (ClrObject obj in heap.EnumerateObjects())
        {
            if (obj.Type == null)
                continue;
            sums.TryGetValue(obj.Type, out var sum);
            sums[obj.Type] = (sum.Count + 1, sum.Bytes + obj.Size);
        }
        foreach (var row in sums.OrderByDescending(row => row.Value.Bytes))
            Console.WriteLine("{0}\t{1}\t{2}", row.Value.Count, row.Value.Bytes, row.Key.Name);
    }

    static void Roots(ClrHeap heap, ulong target)
    {
        foreach (var (root, path) in new GCRoot(heap, new[] { target }).EnumerateRootPaths())
        {
            Console.WriteLine("{0} 0x{1:x}", root.RootKind, root.Address);
            for (var link = path; link != null; link = link.Next)
                Console.WriteLine("    0x{0:x}", link.Object);
        }
    }

    static void Main(string[] args)
    {
        using var core = DataTarget.LoadDump(args[0]);
        using var runtime = core.ClrVersions[0].CreateRuntime(args[1], ignoreMismatch: true);
        if (args[2] == "types")
            Types(runtime.Heap);
        else
            Roots(runtime.Heap, ulong.Parse(args[3].Substring(2), NumberStyles.HexNumber));
    }
}
