# SPDX-License-Identifier: BSD-3-Clause
cat > H.java <<'J'
import java.util.*;
public class H { public static void main(String[] a) throws Exception { Map<Integer,Integer> m=new TreeMap<>(); long s=0; for(int i=0;i<300000;i++){ m.merge(i%1009,1,Integer::sum); s+=i*31L%977; } System.out.println(m.size()+" "+s); Thread[] t=new Thread[4]; int[] c=new int[1]; for(int k=0;k<4;k++){t[k]=new Thread(()->{for(int i=0;i<1000;i++) synchronized(c){c[0]++;}});t[k].start();} for(Thread x:t)x.join(); System.out.println(c[0]); try { Object o=null; o.hashCode(); } catch(NullPointerException e){ System.out.println("npe"); } System.out.println(System.getProperty("os.arch")); } }
J
J=/usr/lib/jvm/java-17-openjdk-i386/bin
$J/javac H.java && $J/java -Xmx128m H
