from tasks import r

r.set("a key", "a value")
assert r.get("a key") == "a value"
assert list(r.scan_iter("a k*")) == ["a key"]
assert r.unlink("a key") == 1
