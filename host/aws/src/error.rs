//! Maps a failed call to a kind of [`CloudError`]. The table of codes is data; an unknown code is
//! mapped by its HTTP status.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId;
use reeve_core::cloud::{CloudError, CloudErrorKind};
use reeve_core::text;
use reeve_core::time::Millis;

use CloudErrorKind::{
    Conflict, Denied, NoCapacity, NotVisibleYet, Permanent, Throttled, Transient,
};

/// Codes and their kinds. EC2: API reference, "Error codes for the Amazon EC2 API"; ECS: API
/// reference, "Common Error Types" and the errors of RunTask; SSM: API reference, "Common Error
/// Types" and the errors of GetParameter and PutParameter; CloudWatch: API reference,
/// GetMetricData. The throttling codes also follow the SDK's own list, because a provider may
/// change which one it sends.
///
/// A code takes precedence over the HTTP status. EC2 sends `InsufficientInstanceCapacity` as a 500
/// and `RequestLimitExceeded` as a 503, and both prove that the call did nothing.
#[rustfmt::skip]
const KINDS: &[(&str, CloudErrorKind)] = &[
    // Too many calls: for the account, for one parameter, or for the resource. Calls that change the
    // tags of one resource at the same time are refused until one of them has ended.
    ("BandwidthLimitExceeded", Throttled),
    ("ConcurrentTagAccess", Throttled),
    ("EC2ThrottledException", Throttled),
    ("PriorRequestNotComplete", Throttled),
    ("RequestLimitExceeded", Throttled),
    ("RequestThrottled", Throttled),
    ("RequestThrottledException", Throttled),
    ("SlowDown", Throttled),
    ("SnapshotCreationPerVolumeRateExceeded", Throttled),
    ("ThrottledException", Throttled),
    ("Throttling", Throttled),
    ("ThrottlingException", Throttled),
    ("TooManyRequestsException", Throttled),
    ("TooManyUpdates", Throttled),

    // The provider has no capacity at the moment.
    ("InsufficientAddressCapacity", NoCapacity),
    ("InsufficientCapacity", NoCapacity),
    ("InsufficientCapacityOnHost", NoCapacity),
    ("InsufficientFreeAddressesInSubnet", NoCapacity),
    ("InsufficientHostCapacity", NoCapacity),
    ("InsufficientInstanceCapacity", NoCapacity),
    ("InsufficientReservedInstanceCapacity", NoCapacity),
    ("InsufficientVolumeCapacity", NoCapacity),
    // The launch template's targeted Capacity Reservation is full, until one of its instances ends
    // (public report terraform-provider-aws#35745).
    ("ReservationCapacityExceeded", NoCapacity),
    ("SpotMaxPriceTooLow", NoCapacity),
    ("UnfulfillableCapacity", NoCapacity),

    // The account's limit is reached. That is no capacity and not permanent, because it passes when
    // another instance ends. The remedy is the same: wait minutes, or take another type.
    ("InstanceLimitExceeded", NoCapacity),
    ("MaxIOPSLimitExceeded", NoCapacity),
    ("MaxSpotInstanceCountExceeded", NoCapacity),
    ("NetworkInterfaceLimitExceeded", NoCapacity),
    ("PrivateIpAddressLimitExceeded", NoCapacity),
    ("ResourceLimitExceeded", NoCapacity),
    ("VcpuLimitExceeded", NoCapacity),
    ("VolumeLimitExceeded", NoCapacity),

    // The credentials, the account or its permissions.
    ("AccessDenied", Denied),
    ("AccessDeniedException", Denied),
    ("AuthFailure", Denied),
    ("Blocked", Denied),
    ("BlockedException", Denied),
    ("ExpiredToken", Denied),
    ("ExpiredTokenException", Denied),
    ("IncompleteSignature", Denied),
    ("IncompleteSignatureException", Denied),
    ("InvalidClientTokenId", Denied),
    ("InvalidSignatureException", Denied),
    ("MissingAuthenticationToken", Denied),
    ("MissingAuthenticationTokenException", Denied),
    ("NotAuthorized", Denied),
    ("OptInRequired", Denied),
    ("PendingVerification", Denied),
    ("RequestExpired", Denied),
    ("SignatureDoesNotMatch", Denied),
    ("UnauthorizedOperation", Denied),
    ("UnrecognizedClientException", Denied),

    // The instance's state does not allow the call, or the launch token was used for another
    // launch.
    ("ConflictException", Conflict),
    ("IdempotentInstanceTerminated", Conflict),
    ("IdempotentParameterMismatch", Conflict),
    ("IncorrectInstanceState", Conflict),
    // A start right after a stop: the persistent Spot request is not disabled yet, which takes
    // seconds to minutes (public report terraform-provider-aws#33399).
    ("IncorrectSpotRequestState", Conflict),
    ("IncorrectState", Conflict),

    // The provider refuses until an operator changes the instance or its template: stop or
    // termination protection (OperationNotPermitted), a configuration that EC2 does not offer
    // (Unsupported, but see ZONE), a stop of a one-time Spot instance or of an instance-store root
    // (UnsupportedOperation). EC2 user guide, "Troubleshoot instance launch issues"; public reports
    // cloud-custodian#8003, ec2-fleet-plugin#327, mantle#315.
    ("OperationNotPermitted", Permanent),
    ("Unsupported", Permanent),
    ("UnsupportedOperation", Permanent),

    // Normal right after a launch, and proves nothing (EC2 developer guide, "Eventual
    // consistency").
    ("InvalidInstanceID.NotFound", NotVisibleYet),

    // The provider's own failures, and a page that has expired: a new scan starts over.
    ("InternalError", Transient),
    ("InternalFailure", Transient),
    ("InternalServerError", Transient),
    ("InternalServiceError", Transient),
    ("InvalidNextToken", Transient),
    ("InvalidPaginationToken", Transient),
    ("RequestTimeout", Transient),
    ("RequestTimeoutException", Transient),
    ("ServerException", Transient),
    ("ServerInternal", Transient),
    ("ServiceUnavailable", Transient),
    ("Unavailable", Transient),
];

/// A part of EC2's message when a zone does not have the instance type: "Your requested instance type
/// (…) is not supported in your requested Availability Zone (…)" (EC2 user guide, "Troubleshoot
/// instance launch issues"). The code is `Unsupported`, as for a wrong template, but another zone may
/// have the type.
const ZONE: &str = "Availability Zone";

/// The length of a code or of a request's id: twice that of the longest that AWS documents.
const CODE_BYTES_MAX: usize = 128;

/// Maps a failed SDK call to a [`CloudError`].
pub(crate) fn sorted<E>(operation: &str, error: &SdkError<E>) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(refusal) => refused(operation, refusal.err(), refusal.raw()),
        SdkError::ConstructionFailure(_) => unanswered(operation, Permanent, "Request", error),
        SdkError::DispatchFailure(failure) => {
            let (kind, code) = undelivered(failure.as_connector_error());
            unanswered(operation, kind, code, error)
        }
        SdkError::TimeoutError(_) => unanswered(operation, Transient, "Timeout", error),
        // An unreadable response, or a new kind of error in a later SDK: the call may have
        // succeeded.
        _ => unanswered(operation, Transient, "Response", error),
    }
}

/// A response with impossible content. It proves nothing about the call.
pub(crate) fn garbled(operation: &str, found: String) -> CloudError {
    CloudError {
        operation: operation.to_owned(),
        kind: Transient,
        code: "Response".to_owned(),
        message: text::bounded(&format!("the response contains {found}")),
        retry_after: None,
    }
}

/// The code of a response, which may be any text.
pub(crate) fn bounded_code(code: &str) -> String {
    text::bounded_to(code, CODE_BYTES_MAX)
}

/// The provider's code, if the error is a refusal.
pub(crate) fn code_of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<&str> {
    error.as_service_error().and_then(|refusal| refusal.code())
}

fn refused<E>(operation: &str, refusal: &E, answer: &HttpResponse) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = answer.status().as_u16();
    let said = refusal.message().map(str::to_owned);
    let names_zone = said.as_ref().is_some_and(|said| said.contains(ZONE));
    let request = answer
        .request_id()
        .map(|id| format!(" (request {})", text::bounded_to(id, CODE_BYTES_MAX)))
        .unwrap_or_default();
    CloudError {
        operation: operation.to_owned(),
        kind: match refusal.code() {
            Some("Unsupported") if names_zone => NoCapacity,
            code => kind_of(code, status),
        },
        code: refusal
            .code()
            .map_or_else(|| format!("HTTP{status}"), bounded_code),
        message: text::bounded(&said.unwrap_or_else(|| in_full(refusal))) + &request,
        retry_after: pause_asked_for(answer),
    }
}

/// The kind of a code in the table.
pub(crate) fn kind_of_known(code: &str) -> Option<CloudErrorKind> {
    let known = KINDS.iter().find(|(known, _)| *known == code);
    known.map(|(_, kind)| *kind)
}

/// The kind by code; by status if the code is unknown.
fn kind_of(code: Option<&str>, status: u16) -> CloudErrorKind {
    match (code.and_then(kind_of_known), status) {
        (Some(kind), _) => kind,
        // A status below 400 is a response that cannot be read, and the call may have succeeded.
        (None, ..=399 | 500..) => Transient,
        (None, 429) => Throttled,
        // Without a code, the response comes from something between reeve and the service.
        (None, 401 | 403 | 407) if code.is_none() => Denied,
        (None, _) => Permanent,
    }
}

/// The kind of a request without a response. Even a refused connection is transient: only the
/// client claims that the request was not sent, and a replay with the same token costs nothing.
fn undelivered(failure: Option<&ConnectorError>) -> (CloudErrorKind, &'static str) {
    let Some(failure) = failure else {
        return (Transient, "Connection");
    };
    match cause::<CredentialsError>(failure) {
        Some(
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_),
        ) => (Denied, "Credentials"),
        // The token service or the instance metadata did not respond; that is temporary.
        Some(_) => (Transient, "Credentials"),
        None if failure.is_timeout() => (Transient, "Timeout"),
        None => (Transient, "Connection"),
    }
}

fn unanswered(
    operation: &str,
    kind: CloudErrorKind,
    code: &str,
    error: &(dyn Error + 'static),
) -> CloudError {
    CloudError {
        operation: operation.to_owned(),
        kind,
        code: code.to_owned(),
        message: text::bounded(&in_full(error)),
        retry_after: None,
    }
}

/// `x-amz-retry-after` is in milliseconds (retry behavior of the SDKs), `retry-after` in seconds
/// (RFC 9110; AWS does not use its date form).
fn pause_asked_for(answer: &HttpResponse) -> Option<Millis> {
    let number = |name| answer.headers().get(name)?.trim().parse::<u64>().ok();
    number("x-amz-retry-after")
        .map(Millis::new)
        .or_else(|| number("retry-after").map(Millis::from_secs))
}

/// The error and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// The error's text, with the texts that its causes add.
fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for said in causes(error).map(ToString::to_string) {
        if !text.contains(&said) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.push_str(separator);
            text.push_str(&said);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use aws_sdk_ec2::error::BoxError;
    use aws_sdk_ec2::operation::run_instances::RunInstancesError;

    use super::*;

    fn dispatch(failure: ConnectorError) -> CloudError {
        sorted::<RunInstancesError>("RunInstances", &SdkError::dispatch_failure(failure))
    }

    fn other(cause: impl Into<BoxError>) -> ConnectorError {
        ConnectorError::other(cause.into(), None)
    }

    #[test]
    fn no_code_stands_in_the_table_twice() {
        let codes: BTreeSet<_> = KINDS.iter().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), KINDS.len());
    }

    #[test]
    fn a_code_decides_before_the_status() {
        let cases = [
            ("RequestLimitExceeded", 503, Throttled),
            ("ThrottlingException", 400, Throttled),
            ("TooManyUpdates", 400, Throttled),
            ("ConcurrentTagAccess", 400, Throttled),
            ("SnapshotCreationPerVolumeRateExceeded", 400, Throttled),
            ("InsufficientInstanceCapacity", 500, NoCapacity),
            ("VcpuLimitExceeded", 400, NoCapacity),
            ("UnauthorizedOperation", 403, Denied),
            ("AccessDeniedException", 400, Denied),
            ("ExpiredTokenException", 400, Denied),
            ("IdempotentParameterMismatch", 400, Conflict),
            ("IdempotentInstanceTerminated", 400, Conflict),
            ("IncorrectInstanceState", 400, Conflict),
            ("InvalidInstanceID.NotFound", 400, NotVisibleYet),
            ("Unavailable", 503, Transient),
            ("InternalServerError", 500, Transient),
            ("InvalidInstanceID.Malformed", 400, Permanent),
            (
                "InvalidLaunchTemplateName.NotFoundException",
                400,
                Permanent,
            ),
            ("ParameterLimitExceeded", 400, Permanent),
            ("Unsupported", 500, Permanent),
        ];
        for (code, status, kind) in cases {
            assert_eq!(kind_of(Some(code), status), kind, "{code} {status}");
        }
    }

    #[test]
    fn an_unknown_code_is_mapped_by_its_status() {
        let cases = [
            (Some("SomethingNew"), 400, Permanent),
            (Some("SomethingNew"), 403, Permanent),
            (Some("SomethingNew"), 500, Transient),
            (None, 200, Transient),
            (None, 502, Transient),
            (None, 429, Throttled),
            (None, 407, Denied),
            (None, 404, Permanent),
        ];
        for (code, status, kind) in cases {
            assert_eq!(kind_of(code, status), kind, "{code:?} {status}");
        }
    }

    #[test]
    fn only_missing_credentials_prove_that_an_undelivered_request_was_not_done() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused).into();
        let cases = [
            (ConnectorError::io(refused()), Transient, "Connection"),
            (ConnectorError::user(refused()), Transient, "Connection"),
            (ConnectorError::timeout(refused()), Transient, "Timeout"),
            (
                other(CredentialsError::not_loaded("no source")),
                Denied,
                "Credentials",
            ),
            (
                other(CredentialsError::invalid_configuration("loop")),
                Denied,
                "Credentials",
            ),
            (
                other(CredentialsError::provider_error("503")),
                Transient,
                "Credentials",
            ),
        ];
        for (failure, kind, code) in cases {
            let error = dispatch(failure);
            assert_eq!((error.kind, error.code.as_str()), (kind, code), "{error}");
        }
    }

    #[test]
    fn a_timeout_may_have_been_done_and_a_request_that_was_never_built_not() {
        let timeout = SdkError::<RunInstancesError>::timeout_error("30 s are over");
        assert!(!sorted("RunInstances", &timeout).kind.is_definite());
        let unbuilt = SdkError::<RunInstancesError>::construction_failure("no name");
        assert!(sorted("RunInstances", &unbuilt).kind.is_definite());
    }

    #[test]
    fn a_response_of_megabytes_becomes_one_short_line() {
        let hostile = "a\u{1b}[2J\n\u{202e}".repeat(1 << 17);
        let unanswered = dispatch(other(hostile.as_str()));
        let garbled = garbled("RunInstances", hostile.clone());
        for error in [unanswered, garbled] {
            assert!(error.message.len() <= text::TEXT_BYTES_MAX, "{error}");
            assert!(!error.message.contains(text::is_unsafe), "{error}");
        }
        assert!(bounded_code(&hostile).len() <= CODE_BYTES_MAX);
    }

    #[test]
    fn every_cause_is_told_once() {
        let error = dispatch(other(CredentialsError::not_loaded("no source has keys")));
        assert_eq!(error.message.matches("no source has keys").count(), 1);
    }
}
