//! What [`Checked`](super::checked) knows of local objects: when they end (H11), and which slots still
//! refer to them then.

use std::collections::{HashMap, HashSet};

use crate::heap::Region;
use crate::object::Obj;
use crate::value::Value;

/// A slot: the address of its object, and its number.
pub(super) type Place = (usize, usize);

/// The local objects of a task.
#[derive(Default, Debug)]
pub(super) struct Locals {
    /// By frame or region: their addresses.
    scopes: Vec<Vec<usize>>,
    /// All of them, each with the slots that got a reference to it.
    objects: HashMap<usize, Vec<(Obj, usize)>>,
    /// Regions that are open, and how many scopes there were before.
    regions: Vec<(Region, usize)>,
}

/// What has ended with a scope.
#[derive(Default, Debug)]
pub(super) struct Ended {
    pub(super) objects: HashSet<usize>,
    /// Slots that refer to one of them, in objects that have not ended. Unless these are garbage, a
    /// reference has survived its object.
    pub(super) places: Vec<Place>,
}

impl Locals {
    pub(super) fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }
    pub(super) fn begin(&mut self) {
        self.scopes.push(Vec::new());
    }
    pub(super) fn enter(&mut self, region: Region) {
        self.regions.push((region, self.scopes.len()));
        self.begin();
    }
    /// A new one; it ends with the innermost scope.
    pub(super) fn add(&mut self, o: Obj) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(o.address());
            self.objects.insert(o.address(), Vec::new());
        }
    }
    /// The slot is about to hold this.
    pub(super) fn note(&mut self, o: Obj, slot: usize, v: Value) {
        let places = v.as_object().and_then(|v| self.objects.get_mut(&v.address()));
        if let Some(places) = places
            && places.last() != Some(&(o, slot))
        {
            places.push((o, slot));
        }
    }
    /// The innermost scope ends. `is_used` says whether an object may be looked at.
    pub(super) fn end(&mut self, is_used: impl Fn(Obj) -> bool) -> Ended {
        self.end_from(self.scopes.len().saturating_sub(1), is_used)
    }
    /// The region ends, and what is open in it.
    pub(super) fn leave(&mut self, region: Region, is_used: impl Fn(Obj) -> bool) -> Ended {
        let Some(n) = self.regions.iter().rposition(|&(open, _)| open == region) else {
            return Ended::default();
        };
        let scope = self.regions[n].1;
        self.regions.truncate(n);
        self.end_from(scope, is_used)
    }
    /// Everything ends.
    pub(super) fn abandon(mut self) -> HashSet<usize> {
        self.end_from(0, |_| false).objects
    }
    fn end_from(&mut self, scope: usize, is_used: impl Fn(Obj) -> bool) -> Ended {
        let scope = scope.min(self.scopes.len());
        let objects: HashSet<usize> = self.scopes.drain(scope..).flatten().collect();
        let mut places = Vec::new();
        for object in &objects {
            for (o, slot) in self.objects.remove(object).unwrap_or_default() {
                let may_look = !objects.contains(&o.address()) && is_used(o);
                let target =
                    if may_look && slot < o.traced_slots() { o.slot(slot) } else { Value::NIL };
                if target.as_object().is_some_and(|target| target.address() == *object) {
                    places.push((o.address(), slot));
                }
            }
        }
        Ended { objects, places }
    }
}
