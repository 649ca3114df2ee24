//! The results of a run so far: the shape of the data, and what folds and derivations computed.

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

/// The result of a fold or a derivation. It is serialisable, so that another machine may compute it.
pub trait Artifact: Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Artifact for T {}

/// A typed handle on the result of a node, for [`StepOutputs::get`] once the node has run.
pub struct Ref<T> {
    pub(super) node: NodeId,
    kind: PhantomData<fn() -> T>,
}

impl<T> Ref<T> {
    pub(super) fn new(node: NodeId) -> Self {
        Ref { node, kind: PhantomData }
    }

    /// The node, for `after` of those that depend on it.
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

/// The results of the nodes that have run.
#[derive(Clone)]
pub struct StepOutputs {
    /// The shape of the data, with what earlier nodes published to it.
    pub shape: Arc<Shape>,
    /// Customers with rows who are in neither the basis source nor `customers`.
    pub unknown_customers: UnknownCustomers,
    values: Vec<Option<Arc<dyn Any + Send + Sync>>>,
}

impl StepOutputs {
    /// No results yet, of a plan with so many nodes.
    pub fn new(shape: Arc<Shape>, nodes: usize) -> StepOutputs {
        StepOutputs { shape, unknown_customers: UnknownCustomers::default(), values: vec![None; nodes] }
    }

    /// The result of a node.
    ///
    /// # Errors
    /// Internal: the node has not run yet, because the caller did not name it in `after`.
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
