//! Who reaches the host, and where: `[access.NAME]`, `[api]`, `[tls]`, `[boxes]`.

use crate::access::Role;
use crate::config::kind::{
    Address, Arns, CertificateNames, Choice, File, Flag, Kind, List, Names, Number, RegionName,
    Text, WorkerNames,
};
use crate::config::section::{self, At, Key, Section, Shown, Table, section};

section! {
    /// Who may do what. Without any, programs on loopback have the roles "view", "resolve" and "report", and the
    /// user that runs the host has all of them through the socket. A rule for one of the two replaces that.
    AccessRule {
        /// "view": read status, journal and metrics. "resolve": ask where a worker is, which may launch it. "report":
        /// say that it was given work. "create": create workers. "operate": restart, pause, move or forget one.
        /// "deliver": have policies read again.
        required roles: List<Choice<Role>, 6> = ["view", "resolve"];
        /// Only for workers of these pools. All by default.
        example pools: List<Text<64>, 1_000> = ["gpu"];
        /// Only for these workers, or all whose names begin so. All by default.
        example workers: List<WorkerNames, 1_000> = ["chat", "batch-*"];
        /// Whether the rule is for programs on loopback: every user's, and containers' that share the network.
        default loopback: Flag = false;
        // The last one but one is what Linux shows for users of another namespace.
        /// Users, by id, who connect through the socket.
        example uids: List<Number<u32, 0, 65_533>, 100> = [1000];
        /// Users of these primary groups, by id, who connect through the socket.
        example gids: List<Number<u32, 0, 65_533>, 100> = [50];
        /// Tokens, by name, at [api].
        example tokens: List<Text<64>, 1_000> = ["deploy"];
        /// Clients' certificates at [api], by a DNS name or URI in them, or all that begin so.
        example certificates: List<CertificateNames, 1_000> = ["build.example.org", "spiffe://example.org/build/*"];
        /// Identities of AWS IAM at [api], which log in without a secret: a role, one session of it, a user. A `*` may
        /// end the name or the session. Who may assume a role chooses the session's name.
        example arns: List<Arns, 1_000> = ["arn:aws:iam::123456789012:role/chat-caller"];
        /// Requests a second that each of them may send, the most of all its rules. Through [api] 2,000 by default,
        /// else as many as they like.
        example requests_per_second: Number<u32, 1, 1_000_000> = 100;
    }
}

section! {
    /// Only where callers are on other machines: the interface of [host] for them, over TLS. Each request shows a
    /// token of `reeve token create`, or comes with a client's certificate.
    Api {
        /// An address that callers reach. Needs [tls].
        required listen: Address = "0.0.0.0:7443";
        /// In place of [tls]: why the network needs none. Such a door takes no requests for the roles "create",
        /// "operate" and "deliver".
        example plaintext: Text<255> = "the service mesh encrypts";
        /// The file of the tokens' hashes. In `state_dir` by default.
        example tokens: File = "tokens.json";
        // As for boxes: callers behind one NAT or proxy have one address.
        /// The regions whose STS callers may sign for. Those of the pools by default.
        example login_regions: List<RegionName, 100> = ["us-east-1"];
        /// Connections that one address may have at a time.
        default peer_connections_max: Number<usize, 1, 512> = 64;
    }
}

section! {
    /// TLS of [api] and of [boxes]. The files are read again when they change. `reeve tls init` makes a first set.
    TlsSection {
        /// The certificate of this host and those that lead to its authority, in PEM.
        required certificate: File = "tls/host.pem";
        /// The certificate's key, in PEM. Only its owner may read the file.
        required key: File = "tls/host.key";
        /// The authorities of clients' certificates, in PEM. A certificate of one of them tells who a caller is.
        example client_authorities: File = "tls/authority.pem";
    }
}

section! {
    /// Only where boxes register: an interface for other machines. All of it asks for a proof or a token.
    Boxes {
        /// An address that boxes reach. Needs [tls], unless it is a loopback address, which a proxy speaks to.
        required listen: Address = "0.0.0.0:7434";
        /// In place of [tls]: why the network needs none. Such a door takes no identity documents.
        example plaintext: Text<255> = "the service mesh encrypts";
        /// Certificates of regions that are newer than this reeve.
        example certificates: Names<RegionName, File, 1_000> => { mx-central-1 = "mx-central-1.pem" };
        // One box has one or two connections at a time. 64 serve the boxes of a subnet behind one
        // NAT address: each sends for milliseconds twice a minute. The listener has hundreds.
        /// Connections that one address may have at a time. Raise it behind a proxy or a NAT, which makes many
        /// boxes one address.
        default peer_connections_max: Number<usize, 1, 512> = 64;
    }
}
