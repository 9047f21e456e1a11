# Cases for Python's Authlib, as a Flask application and as a session of its own. Each is run by
# its name; -list names them.

import os
import sys
import traceback
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flask import Flask, jsonify

ISSUER = os.environ["ISSUER"]
SECRET = os.environ["CLIENT_SECRET"]
KEY = os.environ["CLIENT_KEY"]
SITE = "https://client.example"
DISCOVERY = ISSUER + "/.well-known/openid-configuration"
SCOPE = "openid profile email offline_access"


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def fails(call, error):
    try:
        got = call()
    except OAuthError as e:
        check(e.error == error, f"refused with {e.error}, not with {error}: {e}")
    else:
        raise AssertionError(f"not refused with {error}: {got}")


class Form(HTMLParser):
    """The form of a page that sends itself to the client."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.action = attrs["action"]
        elif tag == "input":
            self.fields[attrs["name"]] = attrs["value"]


class App:
    """A site that signs people in with Flask and Authlib."""

    def __init__(self, client_id, secret=SECRET, methods=None, authorize=None, **client):
        self.flask = Flask("site")
        self.flask.secret_key = os.urandom(16)
        self.oauth = OAuth(self.flask)
        self.tokens = None
        client = {"scope": SCOPE, "code_challenge_method": "S256", **client}
        server = self.oauth.register(
            "server", client_id=client_id, client_secret=secret, server_metadata_url=DISCOVERY,
            client_kwargs=client, client_auth_methods=methods,
        )
        self.server = server

        @self.flask.get("/sign-in")
        def sign_in():
            return server.authorize_redirect(SITE + "/callback", **(authorize or {}))

        @self.flask.route("/callback", methods=["GET", "POST"])
        def callback():
            try:
                self.tokens = server.authorize_access_token()
            except OAuthError as e:
                return jsonify(error=e.error), 400
            return jsonify(said=self.tokens["userinfo"], info=server.userinfo())

        @self.flask.get("/sign-out")
        def sign_out():
            return server.logout_redirect(SITE + "/bye", id_token_hint=self.tokens["id_token"])

        @self.flask.get("/bye")
        def bye():
            return jsonify(server.validate_logout_response())

        self.browser = self.flask.test_client()

    def open(self, url):
        """Opens a page of the site, and follows where it leads, through the server and back."""
        answer = self.browser.get(url, base_url=SITE)
        check(answer.status_code == 302, f"{url}: {answer.status} {answer.text}")
        there = requests.get(answer.location, allow_redirects=False)
        if there.status_code == 303:
            back = there.headers["Location"]
            check(back.startswith(SITE + "/"), back)
            return self.browser.get(back, base_url=SITE)
        check(there.status_code == 200, f"{there.status_code} {there.text[:500]}")
        form = Form(there.text)
        check(form.action.startswith(SITE + "/"), form.action)
        return self.browser.post(form.action, base_url=SITE, data=form.fields)

    def sign_in(self):
        answer = self.open("/sign-in")
        check(answer.status_code == 200, answer.text)
        said, info = answer.json["said"], answer.json["info"]
        check(said["sub"] == "ana" and said["iss"] == ISSUER and "nonce" in said and "email" not in said, said)
        check(info["sub"] == "ana" and info["email"] == "ana@example.com" and info["name"] == "Ana Example", info)
        return said


def session(client_id, secret=SECRET, **kwargs):
    metadata = requests.get(DISCOVERY).json()
    kwargs = {"token_endpoint": metadata["token_endpoint"], **kwargs}
    s = OAuth2Session(client_id, secret, redirect_uri=SITE + "/callback", **kwargs)
    if kwargs.get("token_endpoint_auth_method") == "private_key_jwt":
        s.register_client_auth_method(PrivateKeyJWT())
    return s, metadata


def code_and_userinfo():
    App("site").sign_in()
    App("site", token_endpoint_auth_method="client_secret_post").sign_in()


def form_post():
    App("site", authorize={"response_mode": "form_post"}).sign_in()


def algorithms():
    for client_id in ["site-rs256", "site-es256", "site-eddsa"]:
        App(client_id).sign_in()


def refresh():
    app = App("site")
    said = app.sign_in()
    updated = []
    s, _ = session("site", token=dict(app.tokens), update_token=lambda token, **_: updated.append(token))
    next = s.refresh_token()
    check(next["access_token"] != app.tokens["access_token"] and next["refresh_token"] != app.tokens["refresh_token"], next)
    # The library finds by itself that a token has expired, and refreshes before it uses it.
    s.token = {**next, "expires_at": 1}
    info = s.get(requests.get(DISCOVERY).json()["userinfo_endpoint"])
    check(info.status_code == 200 and info.json()["sub"] == "ana", info.text)
    check(updated and updated[-1]["access_token"] != next["access_token"], updated)
    with app.flask.test_request_context():
        again = app.server.parse_id_token(updated[-1], nonce=None)
    check(again["sub"] == "ana" and again["auth_time"] == said["auth_time"], again)


def private_key_jwt():
    # As the library makes its assertions: for the token endpoint, and good for an hour.
    how = {"token_endpoint_auth_method": "private_key_jwt"}
    App("site-key", KEY, [PrivateKeyJWT()], **how).sign_in()
    s, _ = session("service-key", KEY, **how)
    first = s.fetch_token(grant_type="client_credentials", scope="read")
    second = s.fetch_token(grant_type="client_credentials", scope="read")
    check(first["access_token"] != second["access_token"] and "refresh_token" not in first, first)
    s, _ = session("site-key", KEY, **how)
    fails(lambda: s.fetch_token(grant_type="client_credentials"), "unauthorized_client")
    s, _ = session("service", KEY, **how)
    fails(lambda: s.fetch_token(grant_type="client_credentials"), "invalid_client")


def client_credentials():
    s, metadata = session("service", scope="read")
    token = s.fetch_token(grant_type="client_credentials")
    check(token["token_type"] == "Bearer" and token["scope"] == "read" and "refresh_token" not in token, token)
    answer = s.introspect_token(metadata["introspection_endpoint"], token["access_token"])
    check(answer.json()["active"] is True and answer.json()["client_id"] == "service", answer.text)
    check(s.revoke_token(metadata["revocation_endpoint"], token["access_token"]).status_code == 200, "revocation")
    answer = s.introspect_token(metadata["introspection_endpoint"], token["access_token"])
    check(answer.json() == {"active": False}, answer.text)


def errors():
    s, metadata = session("service", "not the secret")
    fails(lambda: s.fetch_token(grant_type="client_credentials"), "invalid_client")
    s, _ = session("service", scope="admin")
    fails(lambda: s.fetch_token(grant_type="client_credentials"), "invalid_scope")
    s, _ = session("site")
    fails(lambda: s.fetch_token(grant_type="password", username="ana", password="x"), "unsupported_grant_type")
    fails(lambda: s.fetch_token(grant_type="authorization_code", code="nope", code_verifier="v" * 43), "invalid_grant")
    s.token = {"refresh_token": "nope"}
    fails(lambda: s.refresh_token(), "invalid_grant")
    # In the answer to the browser.
    for authorize, error in [
        ({"prompt": "none", "claims": '{"id_token":{"sub":{"value":"eva"}}}'}, "login_required"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"request_uri": "https://client.example/request"}, "request_uri_not_supported"),
    ]:
        answer = App("site", authorize=authorize).open("/sign-in")
        check(answer.status_code == 400 and answer.json == {"error": error}, f"{authorize}: {answer.text}")
    # A code counts once, and its second use ends what the first one got.
    verifier = "v" * 43
    s, _ = session("site", scope=SCOPE, code_challenge_method="S256")
    url, state = s.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
    used = requests.get(url, allow_redirects=False).headers["Location"]
    check(parse_qs(urlsplit(used).query)["iss"] == [ISSUER], used)
    token = s.fetch_token(authorization_response=used, state=state, code_verifier=verifier)
    fails(lambda: s.fetch_token(authorization_response=used, state=state, code_verifier=verifier), "invalid_grant")
    answer = requests.get(metadata["userinfo_endpoint"], headers={"Authorization": "Bearer " + token["access_token"]})
    check(answer.status_code == 401 and 'error="invalid_token"' in answer.headers["WWW-Authenticate"], answer.headers)


def sign_out():
    app = App("site")
    app.sign_in()
    answer = app.open("/sign-out")
    check(answer.status_code == 200 and answer.json["post_logout_redirect_uri"] == SITE + "/bye", answer.text)


CASES = [code_and_userinfo, form_post, algorithms, refresh, private_key_jwt, client_credentials, errors, sign_out]

if sys.argv[1] == "-list":
    print("\n".join(case.__name__ for case in CASES))
else:
    try:
        {case.__name__: case for case in CASES}[sys.argv[1]]()
    except Exception:
        traceback.print_exc()
        sys.exit(1)
