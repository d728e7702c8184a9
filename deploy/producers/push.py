"""Push jobs to Intake's inbox with redis-py only (pip install redis).

python push.py JOB…      or one job per line on stdin. REDIS_URL is the URL of Redis.
With INTAKE_PRODUCER and INTAKE_SECRET set, the jobs are signed.
"""

import hmac
import json
import os
import sys
import time

from redis import Redis


def signed(job: str) -> str:
    """Return the job with its producer's signature, or unchanged if no secret is set."""
    producer, secret = os.environ.get("INTAKE_PRODUCER"), os.environ.get("INTAKE_SECRET")
    if not producer or not secret:
        return job
    at = int(time.time())
    signature = hmac.new(secret.encode(), f"{at}.{job}".encode(), "sha256").hexdigest()
    return json.dumps({"v": 1, "producer": producer, "at": at, "job": job, "signature": signature})


jobs = sys.argv[1:] or [line.strip() for line in sys.stdin if line.strip()]
redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379/0"))
redis.lpush("intake:inbox", *map(signed, jobs))
redis.close()
print(f"{len(jobs)} pushed.")
