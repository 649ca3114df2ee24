//! What a run has learned so far: the shape of the data, then the results of folds and derivations.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::timeline::history::UnknownCustomers;
use crate::timeline::shape::Shape;

/// The number of a fold or a derivation in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) usize);

/// Something that a fold or a derivation gives: another machine may compute it, so it can be written down.
pub trait Artifact: Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Artifact for T {}

/// A typed handle on a result that will be there once its node has run.
pub struct Ref<T> {
    pub(super) node: NodeId,
    kind: PhantomData<fn() -> T>,
}

impl<T> Ref<T> {
    pub(super) fn new(node: NodeId) -> Self {
        Ref { node, kind: PhantomData }
    }

    pub fn id(&self) -> NodeId {
        self.node
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}

#[derive(Clone)]
pub struct StepOutputs {
    pub shape: Arc<Shape>,
    /// Whom the walks left out.
    pub unknown_customers: UnknownCustomers,
    values: Vec<Option<Arc<dyn Any + Send + Sync>>>,
}

impl StepOutputs {
    pub fn new(shape: Arc<Shape>, nodes: usize) -> StepOutputs {
        StepOutputs { shape, unknown_customers: UnknownCustomers::default(), values: vec![None; nodes] }
    }

    /// A result; asking for one that the asker did not name in `after` is a defect.
    pub fn get<T: Send + Sync + 'static>(&self, of: Ref<T>) -> Result<Arc<T>> {
        let value = self.values.get(of.node.0).and_then(Clone::clone);
        value.and_then(|v| v.downcast::<T>().ok()).ok_or_else(|| {
            Error::internal(format!("the result of node {} was asked for before it was there", of.node.0))
        })
    }

    pub(super) fn has(&self, node: NodeId) -> bool {
        self.values[node.0].is_some()
    }

    pub(super) fn put(&mut self, node: NodeId, value: Arc<dyn Any + Send + Sync>) {
        self.values[node.0] = Some(value);
    }
}
