//! Minimisation of a function on the unit cube of a few dimensions: a fixed grid, then Nelder and Mead's simplex method
//! (1965, The Computer Journal 7:308) from the best point of the grid, kept within the cube.

/// The grid's coordinates along the first dimension, and along each of the others.
const ALONG_FIRST: [f64; 4] = [0.05, 0.3, 0.65, 0.95];
const ALONG: [f64; 2] = [0.05, 0.5];
/// Two simplexes, of which the second starts where the first ended: their side, and the difference of values below which
/// each has converged.
const SIMPLEXES: [(f64, f64); 2] = [(0.2, 1e-5), (0.05, 1e-8)];
const STEPS: usize = 100;

type Point = Vec<f64>;

/// The point at which the function is least. The same function always gives the same point.
pub(super) fn least(dimensions: usize, value: &mut dyn FnMut(&[f64]) -> f64) -> Point {
    let mut best = (f64::INFINITY, vec![0.5; dimensions]);
    let mut point = vec![0.0; dimensions];
    for i in 0..ALONG_FIRST.len() << (dimensions - 1) {
        point[0] = ALONG_FIRST[i % ALONG_FIRST.len()];
        for (d, u) in point.iter_mut().enumerate().skip(1) {
            *u = ALONG[((i / ALONG_FIRST.len()) >> (d - 1)) % 2];
        }
        let here = value(&point);
        if here < best.0 {
            best = (here, point.clone());
        }
    }
    for (side, flat) in SIMPLEXES {
        best = descend(best, (side, flat), value);
    }
    best.1
}

fn descend(from: (f64, Point), (side, flat): (f64, f64), value: &mut dyn FnMut(&[f64]) -> f64) -> (f64, Point) {
    let n = from.1.len();
    let mut evaluate = |point: Point| (value(&point), point);
    let mut simplex = vec![from.clone()];
    for d in 0..n {
        let mut point = from.1.clone();
        point[d] += if point[d] + side <= 1.0 { side } else { -side };
        simplex.push(evaluate(point));
    }
    for _ in 0..STEPS {
        simplex.sort_by(|a, b| a.0.total_cmp(&b.0));
        if simplex[n].0 - simplex[0].0 < flat {
            break;
        }
        let centre: Point = (0..n).map(|d| simplex[..n].iter().map(|s| s.1[d]).sum::<f64>() / n as f64).collect();
        let worst = simplex[n].clone();
        // The point beyond the centre by t times the distance from the worst.
        let along =
            |t: f64| -> Point { centre.iter().zip(&worst.1).map(|(c, w)| (c + t * (c - w)).clamp(0.0, 1.0)).collect() };
        let reflected = evaluate(along(1.0));
        let next = if reflected.0 < simplex[0].0 {
            let farther = evaluate(along(2.0));
            if farther.0 < reflected.0 { Some(farther) } else { Some(reflected) }
        } else if reflected.0 < simplex[n - 1].0 {
            Some(reflected)
        } else {
            let nearer = evaluate(along(if reflected.0 < worst.0 { 0.5 } else { -0.5 }));
            (nearer.0 < worst.0.min(reflected.0)).then_some(nearer)
        };
        match next {
            Some(point) => simplex[n] = point,
            None => {
                let best = simplex[0].1.clone();
                for corner in &mut simplex[1..] {
                    *corner = evaluate(corner.1.iter().zip(&best).map(|(x, b)| f64::midpoint(*x, *b)).collect());
                }
            }
        }
    }
    simplex.into_iter().fold(from, |best, s| if s.0 < best.0 { s } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_value_is_found_inside_and_at_the_edge() {
        let found = least(2, &mut |u| (u[0] - 0.37).powi(2) + 3.0 * (u[1] - 0.81 * u[0]).powi(2));
        assert!((found[0] - 0.37).abs() < 1e-3 && (found[1] - 0.2997).abs() < 1e-3, "{found:?}");
        let found = least(3, &mut |u| u[0] - u[1] + (u[2] - 0.5).powi(2));
        assert!(found[0] < 1e-6 && found[1] > 1.0 - 1e-6 && (found[2] - 0.5).abs() < 1e-3, "{found:?}");
        let found = least(1, &mut |u| (u[0] - 0.123).abs());
        assert!((found[0] - 0.123).abs() < 1e-6, "{found:?}");
        assert_eq!(least(4, &mut |_| f64::NAN), [0.5; 4]);
    }
}
