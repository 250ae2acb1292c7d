# SPDX-License-Identifier: BSD-3-Clause
cat > m.cs <<'G'
using System; using System.Linq; using System.Threading;
class M { static void Main(){ Console.WriteLine(Enumerable.Range(1,1000).Where(x=>x%7==0).Sum()); var t=new Thread(()=>Console.WriteLine("t")); t.Start(); t.Join(); try { object o=null; o.ToString(); } catch(NullReferenceException){ Console.WriteLine("nre"); } Console.WriteLine(Math.Sqrt(2).ToString("F10")); GC.Collect(); } }
G
mcs m.cs && mono m.exe
