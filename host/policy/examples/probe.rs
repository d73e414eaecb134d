use reeve_policy::*;
use std::time::Instant;
fn rss()->u64{ let s=std::fs::read_to_string("/proc/self/status").unwrap(); s.lines().find(|l|l.starts_with("VmHWM")).unwrap().split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()/1024 }
fn main(){
 let mut limits=Limits::default();
 if std::env::var("BIG").is_ok(){ limits.component_bytes_max=64<<20; limits.function_bytes_max=1<<20; limits.memory_bytes_max=128<<20; limits.fuel=10_000_000_000; limits.deadline_ticks=1000; }
 let engine=PolicyEngine::new(limits).unwrap();
 for f in std::env::args().skip(1){
  let b=std::fs::read(&f).unwrap();
  let t=Instant::now();
  let r=LoadedPolicy::load(&engine,&f,&b);
  let t1=t.elapsed();
  match r { Err(e)=>{ let mut s=e.to_string(); let mut c=std::error::Error::source(&e); while let Some(x)=c {s+=": ";s+=&x.to_string();c=x.source();} println!("{f} {} B: {t1:?} peak {} MiB: {s}",b.len(),rss()) }
   Ok(p)=>{ println!("{f} {} B loaded in {t1:?} peak {} MiB points {:?} {:?}",b.len(),rss(),p.points().collect::<Vec<_>>(),engine.allocation());
    use reeve_core::point::*;
    for _ in 0..4 { let t=Instant::now(); let d=p.decide(&Input::RetryIp(retry_ip::Input{tries:3,waited_ms:1500,launched:Age::Ms(4000),settings:"{}".into()})); println!("  {:?} {:?}",t.elapsed(),d); }
   } } } }
