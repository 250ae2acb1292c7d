# SPDX-License-Identifier: BSD-3-Clause
cat > r.rs <<'G'
use std::collections::BTreeMap; use std::thread;
fn main(){ let mut m=BTreeMap::new(); for i in 0..10000u64 { *m.entry(i*7919%101).or_insert(0)+=i; } println!("{:?}", m.iter().take(3).collect::<Vec<_>>()); let h:Vec<_>=(0..4).map(|k|thread::spawn(move||(0..1000u32).map(|x|x*k).sum::<u32>())).collect(); println!("{}", h.into_iter().map(|x|x.join().unwrap()).sum::<u32>()); let r=std::panic::catch_unwind(||{ let v:Vec<i32>=vec![]; v[0] }); println!("{}", r.is_err()); println!("{:.6}", (2f64).sqrt()); }
G
rustc -O r.rs 2>&1 && ./r 2>/dev/null
