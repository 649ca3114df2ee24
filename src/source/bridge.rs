//! Converts Arrow arrays to Polars series and back, through the Arrow C data interface. Buffers are shared, not copied.
//!
//! Polars keeps an Arrow implementation of its own; the structs of the C data interface have one layout everywhere, so
//! that moving such a struct's bytes moves the array. The only file of the crate with unsafe code.

use arrow::array::{Array, ArrayRef, make_array};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use polars::prelude::{CompatLevel, PlSmallStr, Series};
use polars_arrow::ffi as theirs;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const _: () = assert!(size_of::<theirs::ArrowArray>() == size_of::<FFI_ArrowArray>());
const _: () = assert!(size_of::<theirs::ArrowSchema>() == size_of::<FFI_ArrowSchema>());

/// The array as a Polars series called `name`. Strings should be Utf8View, which is Polars' own layout.
#[expect(unsafe_code, reason = "the Arrow C data interface is defined in terms of raw structs")]
pub(super) fn to_polars(name: &str, array: &dyn Array) -> Result<Series, Failure> {
    let (mut data, mut schema) = to_ffi(&array.to_data())?;
    // SAFETY: both types are `repr(C)` declarations of the same standard struct (same size, asserted above), and
    // `to_ffi` filled them. `ptr::replace` takes the struct out and leaves a released one, so that it has one owner.
    let (field, data) = unsafe {
        let schema = std::ptr::replace((&raw mut schema).cast::<theirs::ArrowSchema>(), theirs::ArrowSchema::empty());
        let data = std::ptr::replace((&raw mut data).cast::<theirs::ArrowArray>(), theirs::ArrowArray::empty());
        let field = theirs::import_field_from_c(&schema)?;
        let data = theirs::import_array_from_c(data, field.dtype.clone())?;
        (field, data)
    };
    let _ = field;
    Ok(Series::try_from((PlSmallStr::from_str(name), data))?)
}

/// The series as one Arrow array; strings come as Utf8View.
#[expect(unsafe_code, reason = "the Arrow C data interface is defined in terms of raw structs")]
pub fn from_polars(series: &Series) -> Result<ArrayRef, Failure> {
    let array = series.rechunk().to_arrow(0, CompatLevel::newest());
    let field = polars_arrow::datatypes::Field::new(PlSmallStr::EMPTY, array.dtype().clone(), true);
    let mut schema = theirs::export_field_to_c(&field);
    let mut data = theirs::export_array_to_c(array);
    // SAFETY: as above, in the other direction; `from_raw` takes the struct out and leaves a released one.
    let data = unsafe {
        let schema = FFI_ArrowSchema::from_raw((&raw mut schema).cast::<FFI_ArrowSchema>());
        let data = FFI_ArrowArray::from_raw((&raw mut data).cast::<FFI_ArrowArray>());
        from_ffi(data, &schema)?
    };
    Ok(make_array(data))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringViewArray,
        TimestampMicrosecondArray,
    };

    use super::*;

    #[test]
    fn every_type_survives_the_round_trip_with_its_nulls_and_slices() {
        let long = "longer than the twelve bytes that a view holds inline";
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MAX), Some(4)])),
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN), Some(-0.0)])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
            Arc::new(StringViewArray::from(vec![Some("a"), None, Some(long), Some("")])),
            Arc::new(Date32Array::from(vec![Some(0), None, Some(-1), Some(20_000)])),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None, Some(-1), Some(1)])),
            Arc::new(
                Decimal128Array::from(vec![Some(1), None, Some(-12345), Some(0)])
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
        ];
        for array in arrays {
            for array in [array.slice(0, 4), array.slice(1, 2), array.slice(4, 0)] {
                let series = to_polars("x", &array).unwrap();
                assert_eq!(series.len(), array.len());
                let back = from_polars(&series).unwrap();
                assert_eq!(back.to_data(), array.to_data(), "{}", array.data_type());
            }
        }
    }

    #[test]
    fn buffers_are_shared_not_copied() {
        let array = Int64Array::from((0..1000).collect::<Vec<i64>>());
        let series = to_polars("x", &array).unwrap();
        let back = from_polars(&series).unwrap();
        drop(series);
        assert_eq!(back.to_data().buffers()[0].as_ptr(), array.values().as_ptr().cast());
    }
}
