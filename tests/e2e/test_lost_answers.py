"""A worker asks Redis, and its connection breaks before the answer is there."""

import pytest

import acl
from lossy import Lossy
from process import wait_until

MARK = "lost on the way; "

# The first answer that is lost is that to XREADGROUP; the others are those to XRANGE, by which the
# worker looks for what Redis has given it and it never saw.
READ_IN_THE_END = [1, 2]
NEVER_READ = 3


@pytest.fixture(name="lossy")
def make_lossy(cluster):
    made = []

    def make(losses):
        made.append(Lossy(cluster.redis.socket, cluster.path("lossy.sock"), MARK.encode(), losses))
        cluster.router(node_lost="30s")
        cluster.worker("pi-1", cluster.sim(), redis="unix://" + made[0].path)
        return made[0]
    yield make
    for each in made:
        each.close()


pytestmark = pytest.mark.skipif(acl.IS_ON, reason="the users come by a port")


@pytest.mark.parametrize("losses", READ_IN_THE_END)
def test_a_request_that_can_be_read_in_the_end_runs_as_if_nothing_had_been(cluster, lossy, losses):
    broken = lossy(losses)
    reply = cluster.read_reply(cluster.submit(prompt=MARK * 1000), 30)
    assert reply.attempt == 1 and reply.node == "pi-1" and broken.losses == 0
    assert not cluster.events(event="requeued")
    cluster.assert_no_leftovers()


def test_a_request_that_is_never_read_is_given_back_by_its_outline(cluster, lossy):
    broken = lossy(NEVER_READ)
    reply = cluster.read_reply(cluster.submit(prompt=MARK * 1000), 30)
    assert reply.attempt == 2 and broken.losses == 0
    (back,) = cluster.events(event="requeued")
    assert back["why"].startswith("the worker has no memory for the request")
    cluster.assert_no_leftovers()


def test_a_piece_whose_answer_is_lost_is_sent_again_and_comes_once(cluster):
    broken = Lossy(cluster.redis.socket, cluster.path("lossy.sock"), b"*1\r\n$2\r\nok\r\n", 0)
    sim = cluster.sim("gemma3:1b,load=20ms,gen_tps=20,prompt_tps=100000,tokens=60")
    cluster.router(node_lost="30s")
    cluster.worker("pi-1", sim, redis="unix://" + broken.path)
    request_id = cluster.submit(prompt="hi", stream=True)
    wait_until(lambda: len(cluster.entries(request_id).chunks) >= 2, "pieces come")
    broken.losses = 2  # chunk.lua's
    wait_until(lambda: broken.losses == 0, "the answers to two pieces are lost")
    reply = cluster.read_reply(request_id, 30)  # each `seq` once, and together the whole
    broken.close()
    assert reply.attempt == 1 and reply.answer["eval_count"] == 60
    cluster.assert_no_leftovers()
