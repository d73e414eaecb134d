//! `reeve tls init`: an authority and a certificate of it, for teams that have none.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::{config, print, secret_file};

/// An authority outlives what it signs.
const AUTHORITY_DAYS: i64 = 3_650;
/// Some clients refuse certificates that are valid for longer (CA/Browser Forum, 398 days).
const CERTIFICATE_DAYS: i64 = 397;

#[derive(Debug, Subcommand)]
pub(super) enum TlsCommand {
    /// Make an authority, and a certificate and key of a host.
    Init(InitArgs),
    /// Replace the certificate and key of a host. Running hosts take them up within two seconds.
    Renew(InitArgs),
    /// Make a certificate and key of a client, with the authority that `init` made.
    Client(ClientArgs),
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// A name or an address by which clients reach the host; as many as there are.
    #[arg(long = "name", value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = "tls")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ClientArgs {
    /// The name in the certificate, which rules in [access] speak of: `certificates = ["NAME"]`.
    name: String,
    /// Where the authority is, and the files go.
    #[arg(long, value_name = "DIR", default_value = "tls")]
    dir: PathBuf,
}

/// Runs the command.
pub(super) fn run(command: &TlsCommand) -> anyhow::Result<ExitCode> {
    match command {
        TlsCommand::Init(args) => init(args),
        TlsCommand::Renew(args) => renew(args),
        TlsCommand::Client(args) => client(args),
    }
}

fn init(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let dir = &args.dir;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create {}", dir.display()))?;
    let key = KeyPair::generate()?;
    let mut authority = authority()?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (authority.not_before, authority.not_after) = valid_for(AUTHORITY_DAYS);
    let pem = authority.self_signed(&key)?.pem();
    write(&dir.join("authority.key"), &key.serialize_pem())?;
    write(&dir.join("authority.pem"), &pem)?;
    let host = Pair::of_host(args, &Issuer::new(authority, key))?;
    write(&dir.join("host.key"), &host.key)?;
    write(&dir.join("host.pem"), &host.certificate)?;
    let shown = dir.display();
    let first = args.names.first().map_or("localhost", String::as_str);
    print::text(&format!(
        "In the host's configuration:\n\n\
         [tls]\n\
         certificate = \"{shown}/host.pem\"\n\
         key = \"{shown}/host.key\"\n\
         client_authorities = \"{shown}/authority.pem\"   # if clients are to show certificates\n\n\
         The host's certificate is valid for {CERTIFICATE_DAYS} days and for: {}. `reeve tls renew` replaces it.\n\
         Clients need {shown}/authority.pem, which is no secret, to know the host:\n\n\
         - a box or a shell: curl --cacert authority.pem https://{first}:7443/healthz\n\
         - a Lambda function: put authority.pem next to the handler, and set REEVE_CA=authority.pem\n\n\
         Keep {shown}/authority.key off the host: who has it can pose as the host and as any client.\n",
        args.names.join(", "),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn renew(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let host = Pair::of_host(args, &issuer(&args.dir)?)?;
    // A host that reads between the two finds a pair that does not fit, and keeps the last one.
    replace(&args.dir.join("host.key"), &host.key)?;
    replace(&args.dir.join("host.pem"), &host.certificate)?;
    print::line(format_args!(
        "{0}/host.pem and {0}/host.key: valid for {CERTIFICATE_DAYS} days and for: {1}",
        args.dir.display(),
        args.names.join(", ")
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn client(args: &ClientArgs) -> anyhow::Result<ExitCode> {
    let (dir, name) = (&args.dir, &args.name);
    config::name(name).map_err(anyhow::Error::msg)?;
    let purpose = ExtendedKeyUsagePurpose::ClientAuth;
    let pair = Pair::issue(vec![name.clone()], purpose, &issuer(dir)?)?;
    write(&dir.join(format!("{name}.key")), &pair.key)?;
    write(&dir.join(format!("{name}.pem")), &pair.certificate)?;
    print::line(format_args!(
        "{0}/{name}.pem and {0}/{name}.key: valid for {CERTIFICATE_DAYS} days. A rule: certificates = [\"{name}\"]",
        dir.display(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The authority in this folder.
fn issuer(dir: &Path) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let path = dir.join("authority.key");
    let key = secret_file::read(&path).context("`reeve tls init` makes it")?;
    // Only the name and the key of the authority stand in what it signs.
    Ok(Issuer::new(authority()?, KeyPair::from_pem(&key)?))
}

fn authority() -> anyhow::Result<CertificateParams> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name = called("reeve authority");
    Ok(authority)
}

/// A certificate and its key, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn of_host(args: &InitArgs, issuer: &Issuer<'_, KeyPair>) -> anyhow::Result<Self> {
        Self::issue(
            args.names.clone(),
            ExtendedKeyUsagePurpose::ServerAuth,
            issuer,
        )
    }

    fn issue(
        names: Vec<String>,
        purpose: ExtendedKeyUsagePurpose,
        issuer: &Issuer<'_, KeyPair>,
    ) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let common = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names).context(
            "a name cannot stand in a certificate; accepted: DNS names and IP addresses",
        )?;
        params.distinguished_name = called(&common);
        params.extended_key_usages = vec![purpose];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        (params.not_before, params.not_after) = valid_for(CERTIFICATE_DAYS);
        Ok(Self {
            certificate: params.signed_by(&key, issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// From yesterday, because clocks differ.
fn valid_for(days: i64) -> (OffsetDateTime, OffsetDateTime) {
    let today = OffsetDateTime::now_utc();
    (today - Duration::days(1), today + Duration::days(days))
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

/// Writes a file that only its owner may use. A file that is there stays.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow!(
            "{} is there already, and is not replaced; move it away first",
            path.display()
        ),
        _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
    })
}

fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let unfinished = path.with_added_extension("unfinished");
    write(&unfinished, text)?;
    std::fs::rename(&unfinished, path).with_context(|| format!("cannot replace {}", path.display()))
}
