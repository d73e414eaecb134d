use wasmtime::*;
use std::time::Instant;
fn st(k:&str)->u64{ let s=std::fs::read_to_string("/proc/self/status").unwrap(); s.lines().find(|l|l.starts_with(k)).unwrap().split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()/1024 }
fn main(){
 let mut c=Config::new(); c.strategy(Strategy::Cranelift).cranelift_opt_level(OptLevel::Speed).consume_fuel(true).epoch_interruption(true).cranelift_nan_canonicalization(true).wasm_relaxed_simd(false).wasm_memory64(false).memory_reservation(16<<20).memory_reservation_for_growth(0).memory_guard_size(65536);
 let e=Engine::new(&c).unwrap();
 for f in std::env::args().skip(1){ let b=std::fs::read(&f).unwrap(); let t=Instant::now();
  let r=component::Component::from_binary(&e,&b); let t=t.elapsed();
  println!("{} {} B: {:.2} s, peak {} MiB, {}",f.rsplit('/').next().unwrap(),b.len(),t.as_secs_f64(),st("VmHWM"), match r {Ok(_)=>"ok".to_string(),Err(e)=>{let s=format!("{e:#}");s.chars().take(200).collect()}});
 } }
