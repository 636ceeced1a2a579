"""versitygw, killed while it joins the parts of an upload: no success is believed before the object is there."""

import os
from hashlib import md5

import pytest

from deploy.servers.versitygw import secret
from regions.errors import Unavailable
from regions.stores.objects import RAW
from regions.stores.s3 import stamped_buckets
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.session import Credentials, connect, parse_address
from regions.stores.s3.upload import MultipartUpload
from tests.builders.stores import REGION_OF_STORES, STAMP

KEY, DATA = "photo", b"bytes"

pytestmark = pytest.mark.xdist_group("versitygw")


@pytest.fixture(scope="module")
def server(own_server):
    return own_server("versitygw")


@pytest.fixture
def upload(server):
    """An upload whose one part has arrived."""
    prefix, settings = f"test-{os.urandom(8).hex()}", "region=us-east-1&style=path&lifecycle=0&access_block=0"
    address = parse_address(f"s3://{prefix}?endpoint={server.address}&{settings}")
    credentials = Credentials("darkroom", secret(server.folder))
    stamped_buckets.create(address, credentials, STAMP)
    multipart_id = S3Objects(address, credentials, REGION_OF_STORES).create_upload(RAW, KEY)
    upload = MultipartUpload(
        connect(address.service, credentials), address.bucket(RAW), KEY, multipart_id.rpartition("~")[2]
    )
    upload.send(1, bytearray(DATA), {})
    return upload


def sent_parts(upload):
    return [{"PartNumber": part.number, "ETag": part.etag} for part in upload.arrived()]


def claim(server, upload):
    """Gives the upload's folder the name that it has while versitygw joins the parts."""
    etag = f"{md5(md5(DATA).digest()).hexdigest()}-1"
    [folder] = (server.folder / "data").glob(f"*/.sgwtmp/multipart/*/{upload.id}")
    folder.rename(folder.with_name(f"{upload.id}.{etag}.inprogress"))


def test_an_upload_whose_object_is_not_there_is_not_complete_whatever_the_store_answers(server, upload):
    sent = sent_parts(upload)
    claim(server, upload)
    with pytest.raises(Unavailable, match="is not there"):
        upload.complete(sent)


def test_after_a_kill_while_it_was_joined_the_upload_can_be_completed(server, upload):
    sent = sent_parts(upload)
    server.kill()
    claim(server, upload)
    server.start()
    server.wait()
    upload.complete(sent)
    assert upload.s3.get_object(Bucket=upload.bucket, Key=KEY)["Body"].read() == DATA
