"""What else is promised, and the tests in which it is counted.

Q1 to Q4 and the mutants of S5 are parts of their own. Here each line counts the cases of tests that
passed, or what these tests themselves say that they counted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """``tests`` are files, or one test of a file, with all of its cases.

    ``counted_as`` is the name under which tests record a number of their own; without it the cases
    that passed are counted.
    """

    name: str
    counted: str
    least: int
    tests: tuple[str, ...]
    counted_as: str | None = None


def _in(file: str, *names: str) -> tuple[str, ...]:
    path = f"tests/{file}.py"
    return tuple(f"{path}::test_{name}" for name in names) or (path,)


PROMISES = (
    Promise(
        "Q5",
        "rows of status, headers and attempt: made again or not, and after how long",
        200,
        _in("test_retry"),
    ),
    Promise(
        "Q5",
        "submissions that met trouble, each sent once",
        24,
        (
            *_in("services/test_base", "a_submission_is_sent_once_whatever_comes_back"),
            *_in(
                "jobs/test_strange_answers", "an_acceptance_that_cannot_be_read_is_never_repeated"
            ),
        ),
    ),
    Promise(
        "Q5",
        "steps that may be made again: three tries, or one where trying cannot help",
        42,
        _in(
            "services/test_base",
            *("a_poll_is_made_three_times_at_most", "what_will_not_pass_is_asked_once"),
        ),
    ),
    Promise(
        "Q5",
        "services in an outage, whose first 100 polls cost 110 calls at most and the next 100 none "
        "more than 100",
        3,
        _in(
            "services/test_base",
            "in_an_outage_polls_are_hardly_made_again_and_after_it_all_goes_on",
        ),
    ),
    Promise(
        "Q6",
        "places at which a run waits, stopped at each: the vendor is asked to stop, or it is noted",
        24,
        _in("jobs/test_stopped_anywhere"),
        counted_as="places",
    ),
    Promise(
        "Q6",
        "commands stopped in each state and by each signal",
        20,
        _in("jobs/test_cancelling"),
    ),
    Promise(
        "Q6",
        "interrupts and failures of neighbours in a real ComfyUI",
        25,
        (*_in("host/test_interrupts"), *_in("host/test_neighbours")),
    ),
    Promise(
        "Q7",
        "pairs of a state and another, or an event, of jobs, attempts, results, uploads and leases",
        220,
        (*_in("ledger/test_states"), *_in("ledger/test_machines")),
    ),
    Promise(
        "Q8",
        "prices and amounts that equal those worked out by hand",
        60,
        (
            *_in(
                "endpoints/test_timing_and_quotes",
                "fal_pixverse_costs_4_cents_a_second_of_output",
                "text_at_fal_is_a_range_since_the_page_is_ambiguous",
                "fal_sync_is_a_range_that_says_it_is_assumed",
                "pipio_costs_by_the_second_and_height",
                "pipio_says_what_is_open_about_its_price",
                "runware_costs_by_the_second_of_audio_and_result",
                "text_at_runware_is_a_range_by_the_assumed_pace",
                "aimlapi_publishes_no_price_and_none_is_guessed",
            ),
            *_in("test_money"),
        ),
    ),
    Promise(
        "Q8",
        "ways to be over a cap, or to count towards one; refused before a byte is sent",
        13,
        _in(
            "jobs/test_spending",
            "a_job_over_its_cap_ends_before_a_byte_was_sent",
            "max_usd_holds_everywhere",
            "the_day_so_far_counts_towards_the_days_cap",
            "the_days_cap_is_the_vendors_and_not_a_keys",
            "two_commands_at_once_cannot_share_one_place_under_the_days_cap",
            "a_job_in_doubt_counts_towards_the_days_cap_when_it_is_sent_anew",
            "a_job_left_before_it_was_sent_takes_nothing_of_the_days_cap",
            "a_process_that_stood_still_buys_nothing_over_the_days_cap",
            "an_unknown_price_is_over_every_cap",
        ),
    ),
    Promise(
        "S1",
        "kinds of what a run with keys leaves behind, searched for them in every form",
        15,
        _in("jobs/test_keys_leave_no_trace"),
        counted_as="kinds",
    ),
    Promise(
        "S1",
        "ways to fail on the way, of the command",
        20,
        _in("jobs/test_keys_leave_no_trace"),
        counted_as="failures",
    ),
    Promise(
        "S1",
        "kinds of nodes run in a real ComfyUI with keys, all there are",
        7,
        _in("host/test_secrets"),
        counted_as="nodes",
    ),
    Promise(
        "S1",
        "ways to fail on the way, of nodes",
        20,
        _in("host/test_secrets"),
        counted_as="failures",
    ),
    Promise(
        "S2",
        "addresses, redirects and hosts that are not the vendor's own: none gets the key",
        35,
        (
            *_in(
                "services/test_fal",
                *("a_url_that_leads_elsewhere_never_gets_the_key", "the_key_never_goes_to_the_cdn"),
                "parts_go_to_fals_cdn_or_nowhere",
            ),
            *_in("services/test_fal_stream", "a_redirected_stream_is_not_followed"),
            *_in("test_transport", "no_redirect_is_followed"),
            *_in(
                "jobs/test_losing_nothing",
                "a_redirect_to_another_host_of_the_vendor_is_followed_without_a_key",
            ),
            *_in("jobs/test_spending", "in_a_sandbox_the_users_key_is_never_sent"),
            *_in("test_guard", "look_alikes_are_not_the_vendors_hosts"),
            *_in("test_download", "a_fetch_asks_for_the_bytes_as_they_are_and_brings_no_key"),
        ),
    ),
    Promise(
        "S2",
        "requests of other pages and programs to the routes for keys, all refused",
        30,
        _in(
            "host/test_keys",
            *("no_other_page_may", "other_pages_are_not_even_told_what_is_set_or_left"),
            *(
                "forms_and_texts_are_refused",
                "what_is_not_understood_changes_nothing_and_is_not_repeated",
            ),
            "a_long_body_is_refused_whether_its_length_is_told_or_not",
            *(
                "a_body_that_does_not_end_is_given_up",
                "a_preflight_from_elsewhere_does_not_allow_our_header",
            ),
        ),
    ),
    Promise(
        "S3",
        "addresses of results that were not connected to",
        100,
        _in(
            "test_download",
            "an_address_that_is_not_allowed_is_never_connected_to",
            "this_machine_is_not_connected_to_by_any_of_its_names",
        ),
    ),
    Promise(
        "S3",
        "redirects and names that change their mind, checked anew at each step",
        15,
        _in(
            "test_download",
            *("every_hop_is_checked_anew", "a_fourth_redirect_is_one_too_many"),
            "a_resolver_that_changes_its_mind_changes_nothing",
        ),
    ),
    Promise(
        "S4",
        "transfers that lie, stall, never end or are packed: an error, and nothing left",
        40,
        (
            *_in(
                "test_download",
                *("any_other_answer_is_refused_at_once", "a_file_that_is_gone_is_said_to_be_gone"),
                *(
                    "more_than_was_announced_is_cut_at_what_was_announced",
                    "a_body_that_stalls_is_given_up",
                ),
                "a_transfer_that_breaks_is_tried_three_times_and_leaves_nothing",
                "an_announced_length_over_the_limit_is_refused_unread",
                *(
                    "an_endless_body_ends_at_the_limit",
                    "the_limit_counts_the_bytes_that_really_came",
                ),
                "a_drip_is_given_up_when_its_time_is_over",
                "what_is_no_base64_is_refused_and_leaves_nothing",
                "data_over_the_limit_is_refused_unwritten",
            ),
            *_in(
                "test_transport",
                *(
                    "half_an_answer_and_none_at_all_are_answer_lost",
                    "a_stalled_answer_is_answer_lost",
                ),
                "an_answer_too_long_is_answer_lost_and_not_read_on",
                "a_small_answer_that_stands_for_a_huge_one_takes_no_memory",
                "an_answer_that_is_packed_unasked_is_read_to_the_last_byte_or_lost",
                "an_answer_packed_in_a_way_that_is_not_known_is_lost",
            ),
            *_in("jobs/test_results"),
        ),
    ),
    Promise(
        "S5",
        "playlists, patterns, references and protocols in disguise, and bombs; nothing else read",
        15,
        _in(
            "media/test_hostile",
            *("playlists_in_disguise_read_nothing_else", "a_path_that_is_a_protocol_is_no_file"),
            "a_name_that_is_a_pattern_of_images_is_one_image",
            "a_movie_whose_data_lie_elsewhere_is_not_read_from_there",
            "hours_of_small_coded_pictures_are_refused_as_a_tensor",
            "a_few_pictures_held_for_hours_are_refused_as_a_tensor",
            "pictures_larger_than_the_limit_are_refused_by_their_headers",
            "hours_of_silence_in_eight_channels_take_no_memory",
            "tables_of_endless_samples_end_within_the_bounds_of_the_child",
        ),
    ),
    Promise(
        "S6",
        "names of results, jobs and files that lead elsewhere: nothing is written out of the home",
        100,
        _in("jobs/test_places"),
    ),
    Promise(
        "S7",
        "files of the pack without code from text, installers, shells or unreadable text",
        200,
        _in(
            "test_forbidden",
            "no_text_is_run_as_code_and_nothing_is_installed_or_hidden",
            "the_page_runs_no_text_as_code_and_loads_nothing_from_elsewhere",
            "processes_are_started_in_two_places_and_are_our_own_programs",
        ),
    ),
    Promise(
        "S8",
        "keys, ledger, folders and what readers remember: for their user alone",
        6,
        (
            *_in("test_home", "everything_that_is_created_is_private"),
            *_in("test_home", "a_folder_that_exists_keeps_its_mode_and_is_reported"),
            *_in("test_credentials", "the_file_is_private_and_a_broader_one_is_told"),
            *_in("test_credentials", "an_account_has_one_name_in_a_home_that_tells_nothing"),
            *_in("ledger/test_jobs", "the_ledger_and_its_companions_are_private"),
            *_in("sandbox/test_control", "what_it_keeps_is_private"),
        ),
    ),
    Promise(
        "S9",
        "systems and versions of Python for each of which every requirement is one pinned version",
        12,
        _in("test_packaging", "one_version_of_each_requirement_is_pinned_and_allowed"),
    ),
    Promise(
        "S10",
        "forms of keys, signed addresses and media that no log shows",
        30,
        (
            *_in(
                "test_credentials",
                *(
                    "every_form_of_a_key_is_taken_out",
                    "a_key_inside_a_longer_base64_text_is_taken_out",
                ),
                *(
                    "urls_data_and_authorizations_are_shortened",
                    "a_log_shows_no_key_not_even_in_tracebacks",
                ),
            ),
            *_in("test_guard", "a_url_is_shown_without_what_may_be_secret"),
            *_in(
                "host/test_flags",
                "the_most_talkative_log_has_no_address_that_a_redirect_has_signed",
            ),
        ),
    ),
)
