//! Verbs that meet: on Postgres they run at the same time, and what one of them decided stands, whatever another had
//! read before.

mod town;

use convo_domain::{
    error::Kind,
    user::{
        Caller, Channel, Standing,
        act::{CredentialChange, ProfileChange},
    },
};
use town::Town;

const OLD: &str = "OldPassword1";
const NEW: &str = "NewPassword1";

fn renamed() -> ProfileChange {
    ProfileChange { display_name: Some("Ann Roe".into()), ..Default::default() }
}

fn new_password() -> CredentialChange {
    CredentialChange { email: None, password: Some(NEW.into()) }
}

impl Town {
    async fn standing(&self, caller: Caller) -> Standing {
        self.domain.store.read(move |tx| tx.user(caller.user)).await.unwrap().unwrap().standing
    }

    async fn is_logged_in(&self, caller: Caller) -> bool {
        let login = self.domain.store.read(move |tx| tx.login(caller.login)).await.unwrap().unwrap();
        login.revoked_at.is_none()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_ends_the_log_in_that_is_being_refreshed() {
    let town = Town::new().await;
    let (ann, refresh) = town.person("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    let (_, gone) =
        town.meet("logins", async move { domain.refresh(&refresh).await.map(drop) }, town.domain.log_out(ann)).await;
    gone.unwrap();
    assert!(!town.is_logged_in(ann).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_traded_once_also_when_both_come_at_once() {
    let town = Town::new().await;
    let (ann, refresh) = town.person("ann@example.com", OLD).await;
    let (domain, same) = (town.domain.clone(), refresh.clone());
    let (first, second) =
        town.meet("logins", async move { domain.refresh(&same).await.map(drop) }, town.domain.refresh(&refresh)).await;
    first.unwrap();
    assert_eq!(second.err().unwrap().kind, Kind::Unauthenticated);
    assert!(!town.is_logged_in(ann).await, "a token that was traded before is stolen or lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deactivated_while_their_profile_is_saved_stays_it() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    let (_, done) = town
        .meet(
            "users",
            async move { domain.update_profile(ann, renamed()).await.map(drop) },
            town.domain.set_active(ann.user, false),
        )
        .await;
    done.unwrap();
    assert_eq!(town.standing(ann).await, Standing::Deactivated);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deactivated_while_their_address_is_proven_stays_it() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let (domain, code) = (town.domain.clone(), town.last_code());
    let (_, done) = town
        .meet(
            "users",
            async move { domain.verify(Channel::Email, &code, None, town::asker()).await },
            town.domain.set_active(ann.user, false),
        )
        .await;
    done.unwrap();
    assert_eq!(town.standing(ann).await, Standing::Deactivated);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deleted_while_their_profile_is_saved_stays_it() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    let (_, done) = town
        .meet(
            "users",
            async move { domain.update_profile(ann, renamed()).await.map(drop) },
            town.domain.delete_account(ann),
        )
        .await;
    done.unwrap();
    assert_eq!(town.standing(ann).await, Standing::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_stands_though_the_profile_is_saved_beside_it() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    let (_, done) = town
        .meet(
            "users",
            async move { domain.update_profile(ann, renamed()).await.map(drop) },
            town.domain.update_credentials(ann, new_password()),
        )
        .await;
    done.unwrap();
    assert!(town.domain.log_in("ann@example.com", OLD).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_stands_though_somebody_logs_in_with_the_old_one() {
    let town = Town::new().await;
    let (ann, _) = town.person("ann@example.com", OLD).await;
    let domain = town.domain.clone();
    let (_, done) = town
        .meet(
            "users",
            async move { domain.log_in("ann@example.com", OLD).await.map(drop) },
            town.domain.update_credentials(ann, new_password()),
        )
        .await;
    done.unwrap();
    assert!(town.domain.log_in("ann@example.com", OLD).await.is_err());
    town.domain.log_in("ann@example.com", NEW).await.unwrap();
}
