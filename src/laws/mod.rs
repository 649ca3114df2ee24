//! What holds for every kind of stage in the registry, on arbitrary histories.
//!
//! A world is drawn ([`world`]), handed to the scatter as batches ([`exports`]), and run by a pipeline that has every
//! kind of the registry by every period and with every value of its options ([`pipeline`], [`conduct`]). A new kind is
//! under these laws the moment it is registered; nothing here names one.

mod conduct;
mod exports;
mod identities;
mod merging;
mod needs;
mod options;
mod pipeline;
mod registry;
mod spread;
mod world;

use crate::properties::cases;
