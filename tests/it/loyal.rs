//! DEFINITIONS §8: who is loyal has enough orders, and is live.

use crate::small::{Business, shows};

fn shop() -> Business {
    // Ann and Bob ordered three times, Cy twice on three lines, Dee three times and long ago; Eve brought everything back.
    Business::of_transactions("2020-06-01")
        .customers("churn_after = \"90 days\"")
        .source(
            "transactions",
            "customer_id | occurred_at | order_id | amount
             Ann         | 2020-03-01  | 1        | 10.00
             Ann         | 2020-04-01  | 2        | 10.00
             Ann         | 2020-05-01  | 3        | 10.00
             Bob         | 2020-05-01  | 4        | 10.00
             Bob         | 2020-05-01  | 5        | 10.00
             Bob         | 2020-05-01  | 6        | 10.00
             Cy          | 2020-04-01  | 7        | 10.00
             Cy          | 2020-05-01  | 8        | 10.00
             Cy          | 2020-05-02  | 8        | 10.00
             Dee         | 2020-01-01  | 9        | 10.00
             Dee         | 2020-01-02  | 10       | 10.00
             Dee         | 2020-01-03  | 11       | 10.00
             Eve         | 2020-05-03  | 12       | -10.00",
        )
        .source("customers", "customer_id | town\n Ann | \n Fay | Bath")
}

#[test]
fn loyal_is_who_is_live_with_three_orders() {
    shows(
        &shop().runs(),
        "customers",
        "customer_id : state   | orders | loyal
         Ann         : live    | 3      | true
         Bob         : live    | 3      | true
         Cy          : live    | 2      | false
         Dee         : churned | 3      | false
         Eve         : never   | 0      | false
         Fay         : never   | 0      | false",
    );
}

#[test]
fn how_many_orders_make_loyal_is_said() {
    let of = |orders: &str| shop().customers(&format!("loyal_orders = {orders}")).runs();
    let key = "customer_id : loyal\n";
    shows(&of("2"), "customers", &format!("{key} Ann : true\n Cy : true\n Dee : false"));
    shows(&of("4"), "customers", &format!("{key} Ann : false\n Cy : false\n Dee : false"));
}

#[test]
fn without_orders_nobody_can_say_who_is_loyal() {
    let subscribers = || {
        Business::of_subscriptions("2020-06-01").source(
            "subscriptions",
            "customer_id | started_at | ended_at   | amount\n Ann | 2020-01-01 | | 9.00\n Bob | 2020-01-01 | 2020-02-01 | 9.00",
        )
    };
    let text = "customer_id : state | orders | loyal\n Ann : live | | \n Bob : churned | | ";
    shows(&subscribers().runs(), "customers", text);
    subscribers().customers("loyal_orders = 2").outcome().1.exits(2).says(&["loyal_orders", "transactions"]);
    // Orders beside the contracts that make them live.
    let both = subscribers().source(
        "transactions",
        "customer_id | occurred_at | amount\n Ann | 2020-03-01 | 5.00\n Ann | 2020-03-02 | 5.00\n Bob | 2020-01-02 | 5.00",
    );
    shows(
        &both.customers("loyal_orders = 1").runs(),
        "customers",
        "customer_id : state | orders | loyal\n Ann : live | 2 | true\n Bob : churned | 1 | false",
    );
}
