//! The Courier port: mail by SMTP, texts by an HTTP gateway that takes Twilio's form, and the outbox where neither is
//! configured.

use crate::{
    compose::http_client,
    config::{Config, Secret},
};
use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use convo_domain::{
    error::{Error, Result as DomainResult},
    ports::Courier,
    room::code,
    user::rules::Delivery,
};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use std::{path::PathBuf, time::Duration};
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct Post {
    smtp: Option<(AsyncSmtpTransport<Tokio1Executor>, Mailbox)>,
    sms: Option<Gateway>,
    outbox: PathBuf,
    required: bool,
}

struct Gateway {
    client: reqwest::Client,
    url: Url,
    user: String,
    password: String,
    from: String,
}

impl Post {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            smtp: config.smtp_url.as_ref().map(smtp).transpose()?,
            sms: config.sms_url.as_ref().map(gateway).transpose()?,
            outbox: config.data_dir.join("outbox"),
            required: config.require_verification,
        })
    }

    async fn keep_in_outbox(&self, extension: &str, text: &[u8]) -> std::io::Result<()> {
        tokio::fs::create_dir_all(&self.outbox).await?;
        // The name sorts by age. A reader sees the file whole or not at all.
        let name = format!("{}.{extension}", uuid::Uuid::now_v7());
        let draft = self.outbox.join(format!(".{name}"));
        tokio::fs::write(&draft, text).await?;
        tokio::fs::rename(draft, self.outbox.join(name)).await
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// The port of an `SMTP_URL`.
pub(crate) fn smtp_port(url: &Url) -> u16 {
    let usual = match (url.scheme(), parameter(url, "tls").as_deref()) {
        ("smtps", _) => 465,
        (_, Some("required")) => 587,
        _ => 25,
    };
    url.port().unwrap_or(usual)
}

/// `smtp://user:password@host:port?from=…`: STARTTLS where the server offers it (`tls=required` insists, `tls=off` does
/// without); `smtps://`: TLS from the start.
fn smtp(url: &Secret) -> Result<(AsyncSmtpTransport<Tokio1Executor>, Mailbox)> {
    let url = Url::parse(&url.0).context("SMTP_URL must be a URL")?;
    let host = url.host_str().context("SMTP_URL needs a host")?.to_owned();
    let params = || TlsParameters::new(host.clone()).context("SMTP_URL: TLS cannot be set up");
    let tls = match (url.scheme(), parameter(&url, "tls").as_deref()) {
        ("smtps", _) => Tls::Wrapper(params()?),
        (_, Some("required")) => Tls::Required(params()?),
        (_, Some("off")) => Tls::None,
        _ => Tls::Opportunistic(params()?),
    };
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
        .port(smtp_port(&url))
        .tls(tls)
        .timeout(Some(TIMEOUT));
    if let Some(password) = url.password() {
        transport = transport.credentials(Credentials::new(decoded(url.username()), decoded(password)));
    }
    let from = parameter(&url, "from").unwrap_or_else(|| format!("Convo <convo@{host}>"));
    let from = from.parse().context("SMTP_URL: from must be an e-mail address")?;
    Ok((transport.build(), from))
}

fn gateway(url: &Secret) -> Result<Gateway> {
    let mut url = Url::parse(&url.0).context("SMS_URL must be a URL")?;
    let from = parameter(&url, "from").context("SMS_URL needs the sender's number as ?from=")?;
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let rest: Vec<(String, String)> =
        url.query_pairs().filter(|(key, _)| key != "from").map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    url.set_query(None);
    if !rest.is_empty() {
        url.query_pairs_mut().extend_pairs(rest);
    }
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    ensure!(cleared.is_ok(), "SMS_URL must be an http or https URL");
    let client = http_client(|| reqwest::Client::builder().timeout(TIMEOUT))?;
    Ok(Gateway { client, url, user, password, from })
}

fn compose(from: &Mailbox, to: &str, subject: &str, text: &str) -> DomainResult<Message> {
    let to: Mailbox = to.parse().map_err(|_| Error::invalid("email", "email must be an e-mail address"))?;
    let host = from.email.domain();
    Message::builder()
        .from(from.clone())
        .to(to)
        .subject(subject)
        .message_id(Some(format!("<{}@{host}>", code::hex(16))))
        .header(ContentType::TEXT_PLAIN)
        .body(text.to_owned())
        .map_err(Error::internal)
}

#[async_trait]
impl Courier for Post {
    async fn mail(&self, to: &str, subject: &str, text: &str) -> DomainResult<()> {
        match &self.smtp {
            Some((transport, from)) => {
                let message = compose(from, to, subject, text)?;
                transport.send(message).await.map(drop).map_err(Error::unavailable)
            }
            None => {
                let from = Mailbox::new(Some("Convo".into()), "convo@localhost".parse().map_err(Error::internal)?);
                let message = compose(&from, to, subject, text)?;
                self.keep_in_outbox("eml", &message.formatted()).await.map_err(Error::unavailable)
            }
        }
    }

    async fn text(&self, to: &str, text: &str) -> DomainResult<()> {
        let Some(gateway) = &self.sms else {
            let file = format!("To: {to}\n\n{text}\n");
            return self.keep_in_outbox("sms", file.as_bytes()).await.map_err(Error::unavailable);
        };
        let form = [("To", to), ("From", &gateway.from), ("Body", text)];
        let mut request = gateway.client.post(gateway.url.clone()).form(&form);
        if !gateway.user.is_empty() {
            request = request.basic_auth(&gateway.user, Some(&gateway.password));
        }
        let response = request.send().await.map_err(Error::unavailable)?;
        response.error_for_status().map(drop).map_err(Error::unavailable)
    }

    fn delivery(&self) -> Delivery {
        Delivery { email: self.smtp.is_some(), phone: self.sms.is_some(), required: self.required }
    }
}
