//! stub
use super::Code;
#[derive(Debug)]
pub struct FunctionLiveness;
impl FunctionLiveness {
    pub fn new(_: &Code, _: usize) -> Self {
        FunctionLiveness
    }
    pub fn live_at(&self, _: u32, _: u8) -> bool {
        true
    }
    pub fn live_across_call(&self, _: u32, _: u8) -> bool {
        true
    }
}
