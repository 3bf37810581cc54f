//! stub
use super::Code;
#[derive(Clone, Debug)]
pub struct Verified(Code);
impl Verified {
    pub fn code(&self) -> &Code {
        &self.0
    }
}
#[derive(Debug)]
pub struct Limits;
impl Limits {
    pub fn of(_: &crate::ir::Program) -> Limits {
        Limits
    }
}
#[derive(Debug)]
pub struct VerifyError;
pub fn verify(code: Code, _: &Limits) -> Result<Verified, Vec<VerifyError>> {
    Ok(Verified(code))
}
