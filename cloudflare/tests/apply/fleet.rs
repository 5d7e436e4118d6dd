//! Three thousand devices by name.

use postern_cloudflare::Standing;

use crate::support::{Site, TWO_POLICIES, is_write};

#[tokio::test]
async fn three_thousand_names_stay_within_the_call_limit_and_converge_after_a_hundred_revocations()
{
    let mut site = Site::populated(TWO_POLICIES);
    for number in 0..3000 {
        site.clients
            .insert(format!("device-{number}"), Standing::Live);
    }
    site.converge().await;
    let first = site.client.calls();
    let groups = site.all("access/groups");
    assert_eq!(groups.len(), 3);
    for step in 0..100_u32 {
        // A fixed stride over the fleet: scattered, and the same every time.
        let number = step * 1_877 % 3000;
        site.clients
            .insert(format!("device-{number}"), Standing::Revoked);
        let plan = site.plan().await.unwrap().taking_away();
        let writes = plan
            .changes
            .iter()
            .filter(|change| is_write(&change.action))
            .count();
        assert_eq!(writes, 1, "one revocation is one write");
        let applied = site.apply(&plan).await;
        assert!(applied.failure.is_none(), "{:?}", applied.failure);
    }
    site.assert_settled().await;
    let left: usize = site
        .all("access/groups")
        .iter()
        .map(|group| group["include"].as_array().unwrap().len())
        .sum();
    assert_eq!(left, 2900);
    let all = site.client.calls();
    assert!(all <= 1200, "{all} calls");
    println!(
        "3,000 names: {first} calls to apply and check, {all} with 100 revocations one by one"
    );
}
