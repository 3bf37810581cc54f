//! The core's sources, with `sync/native.rs` replaced by `native.rs` beside this file, and with the
//! mistakes of `mistakes.rs`, each behind a question that is answered at run time: see `build.rs`.

include!(concat!(env!("OUT_DIR"), "/core/lib.rs"));
